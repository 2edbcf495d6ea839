/* WebMCP includes two headers of PostgreSQL's server and uses nothing of it but what they include themselves. This one saves
   installing the server's headers, which bring a second compiler. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
