/* What the three programs share: one statement in one transaction. Silent and 0 when it worked, else a line and 1. */
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Joins the arguments to a connection string, as the real programs do. asprintf() needs -D_GNU_SOURCE, as there. */
static char *conninfo(int count, char **words) {
  char *joined = strdup("");
  for (int i = 0; i < count; i++)
    if (asprintf(&joined, "%s %s", joined, words[i]) < 0) exit(1);
  return joined;
}

static void run(PGconn *db, const char *sql) {
  PGresult *result = PQexec(db, sql);
  ExecStatusType status = PQresultStatus(result);
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
    fprintf(stderr, "%s", PQerrorMessage(db));
    exit(1);
  }
  PQclear(result);
}

static int main_with(const char *sql, int count, char **words) {
  if (!count || !strcmp(words[0], "-h") || !strcmp(words[0], "--help")) {
    fprintf(stderr, "Usage: PROGRAM CONNINFO (stand-in for LiquidFeedback's)\n");
    return 1;
  }
  PGconn *db = PQconnectdb(conninfo(count, words));
  if (PQstatus(db) != CONNECTION_OK) {
    fprintf(stderr, "%s", PQerrorMessage(db));
    return 1;
  }
  run(db, "BEGIN TRANSACTION ISOLATION LEVEL SERIALIZABLE");
  run(db, sql);
  run(db, "COMMIT");
  PQfinish(db);
  return 0;
}
