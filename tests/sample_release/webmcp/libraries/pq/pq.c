/* What the stand-in's frontend needs of PostgreSQL and of the C library, for Lua 5.3. */
#include <crypt.h>
#include <lauxlib.h>
#include <libpq-fe.h>
#include <string.h>
#include <sys/random.h>

static PGconn *connection(lua_State *lua) {
  return *(PGconn **)luaL_checkudata(lua, 1, "pq");
}

/* pq.connect{host=, dbname=, ...}: a connection, or an error that names no password. */
static int pq_connect(lua_State *lua) {
  const char *names[32], *values[32];
  int count = 0;
  luaL_checktype(lua, 1, LUA_TTABLE);
  for (lua_pushnil(lua); lua_next(lua, 1); lua_pop(lua, 1)) {
    if (count == 31) return luaL_error(lua, "too many settings of the database");
    names[count] = luaL_checkstring(lua, -2), values[count++] = luaL_checkstring(lua, -1);
  }
  names[count] = values[count] = NULL;
  PGconn **db = lua_newuserdata(lua, sizeof *db);
  *db = PQconnectdbParams(names, values, 0);
  luaL_setmetatable(lua, "pq");
  if (PQstatus(*db) != CONNECTION_OK) return luaL_error(lua, "%s", PQerrorMessage(*db));
  return 1;
}

static void push_rows(lua_State *lua, PGresult *result) {
  lua_createtable(lua, PQntuples(result), 0);
  for (int row = 0; row < PQntuples(result); row++) {
    lua_createtable(lua, 0, PQnfields(result));
    for (int column = 0; column < PQnfields(result); column++) {
      if (PQgetisnull(result, row, column)) continue;
      lua_pushlstring(lua, PQgetvalue(result, row, column), PQgetlength(result, row, column));
      lua_setfield(lua, -2, PQfname(result, column));
    }
    lua_rawseti(lua, -2, row + 1);
  }
}

/* db:query(sql, ...): the rows, each a table of texts; nil is NULL. */
static int pq_query(lua_State *lua) {
  const char *values[16];
  int count = lua_gettop(lua) - 2;
  if (count > 16) return luaL_error(lua, "too many parameters");
  for (int i = 0; i < count; i++) values[i] = lua_isnil(lua, i + 3) ? NULL : luaL_checkstring(lua, i + 3);
  PGresult *result = PQexecParams(connection(lua), luaL_checkstring(lua, 2), count, NULL, values, NULL, NULL, 0);
  ExecStatusType status = PQresultStatus(result);
  if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) {
    push_rows(lua, result);
    PQclear(result);
    return 1;
  }
  lua_pushstring(lua, PQresultErrorMessage(result));
  PQclear(result);
  return lua_error(lua);
}

static int pq_socket(lua_State *lua) {
  lua_pushinteger(lua, PQsocket(connection(lua)));
  return 1;
}

static int pq_alive(lua_State *lua) {
  lua_pushboolean(lua, PQconsumeInput(connection(lua)) && PQstatus(connection(lua)) == CONNECTION_OK);
  return 1;
}

static int pq_crypt(lua_State *lua) {
  struct crypt_data data = {0};
  lua_pushstring(lua, crypt_r(luaL_checkstring(lua, 1), luaL_checkstring(lua, 2), &data));
  return 1;
}

/* pq.random(n): n characters of an alphabet without look-alikes. */
static int pq_random(lua_State *lua) {
  static const char alphabet[] = "23456789bcdfghjkmnpqrstvwxyzBCDF";
  char text[64];
  int size = luaL_checkinteger(lua, 1);
  if (size > 64 || getrandom(text, size, 0) != size) return luaL_error(lua, "no random numbers");
  for (int i = 0; i < size; i++) text[i] = alphabet[text[i] & 31];
  lua_pushlstring(lua, text, size);
  return 1;
}

static const luaL_Reg methods[] = {{"query", pq_query}, {"socket", pq_socket}, {"alive", pq_alive}, {NULL, NULL}};
static const luaL_Reg functions[] = {{"connect", pq_connect}, {"crypt", pq_crypt}, {"random", pq_random}, {NULL, NULL}};

int luaopen_pq(lua_State *lua) {
  luaL_newmetatable(lua, "pq");
  luaL_newlib(lua, methods);
  lua_setfield(lua, -2, "__index");
  luaL_newlib(lua, functions);
  return 1;
}
