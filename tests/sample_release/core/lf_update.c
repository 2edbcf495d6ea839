/* Purges sessions and tokens, lets the inactive lapse, counts members. A second one at the same time fails. */
#include "standin.h"

int main(int argc, char **argv) {
  return main_with(
      "DELETE FROM session WHERE expiry < now();"
      "DELETE FROM token WHERE expiry < now();"
      "UPDATE member SET active = FALSE WHERE active AND last_activity < current_date - (SELECT member_ttl FROM system_setting);"
/* @until 4.2.0 */
      "SELECT calculate_member_counts()",
/* @end */
/* @from 4.2.1 */
      "DELETE FROM member_count;"
      "INSERT INTO member_count (total_count) SELECT count(*) FROM member WHERE active",
/* @end */
      argc - 1, argv + 1);
}
