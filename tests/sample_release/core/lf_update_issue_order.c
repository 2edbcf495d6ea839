/* Gives each open issue its place. */
#include "standin.h"

int main(int argc, char **argv) {
  int verbose = argc > 1 && !strcmp(argv[1], "-v");
  int status = main_with(
      "UPDATE issue SET place = numbered.number"
      " FROM (SELECT id, row_number() OVER (ORDER BY id) AS number FROM issue) AS numbered"
      " WHERE numbered.id = issue.id AND place IS DISTINCT FROM numbered.number",
      argc - 1 - verbose, argv + 1 + verbose);
  if (verbose && !status) printf("Places given.\n");
  return status;
}
