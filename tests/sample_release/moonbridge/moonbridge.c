/* Stand-in for Moonbridge: runs a Lua program in a master that forks workers, and forks them again when they leave.
 *
 * The Lua program calls, before anything is forked:
 *   listen{host=, port=, pre=, min=, max=, prepare=, alive=, watch=, connect=}   workers that answer connections
 *   interval{delay=, prepare=, alive=, handler=}                                 one process that does something now and then
 * prepare() is called once in each process; watch() gives the descriptor of its database connection; alive() says
 * whether that is still there; connect(socket) answers. A worker that was prepared and lost its database takes the
 * master along, which leaves with exit code 0. One that could not be prepared is forked again at once.
 */
#define _GNU_SOURCE 1
#include <arpa/inet.h>
#include <errno.h>
#include <lauxlib.h>
#include <lualib.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_PROCESSES = 512, MAX_INTERVALS = 4 };
enum { STARTING, IDLE, BUSY };
enum { LEFT = 0, FAILED = 1, DATABASE_GONE = 3 };

/* Shared: the master writes the process, the process its state. */
static struct { pid_t pid; volatile int state; } *slots;

static lua_State *lua;
static int listener = -1, pre_fork = 1, min_fork = 1, max_fork = 1;
static int listen_table, interval_tables[MAX_INTERVALS], intervals;
static volatile sig_atomic_t stopping;

static void stop(int number) { (void)number; stopping = 1; }
static void wake(int number) { (void)number; }

static void on(int number, void (*handler)(int)) {
  struct sigaction action = {.sa_handler = handler};
  sigaction(number, &action, NULL);
}

static void fail(const char *what) {
  fprintf(stderr, "moonbridge (stand-in): %s\n", what);
  exit(FAILED);
}

/* Calls the function `name` of a registered table with what `arguments` stack values there are; false if it raised. */
static int call(int table, const char *name, int arguments) {
  lua_rawgeti(lua, LUA_REGISTRYINDEX, table);
  lua_getfield(lua, -1, name);
  lua_remove(lua, -2);
  lua_insert(lua, -1 - arguments);
  if (lua_pcall(lua, arguments, 1, 0) == LUA_OK) return 1;
  fprintf(stderr, "moonbridge (stand-in): %s: %s\n", name, lua_tostring(lua, -1));
  lua_pop(lua, 1);
  return 0;
}

static int is_alive(int table) {
  int alive = call(table, "alive", 0) && lua_toboolean(lua, -1);
  lua_settop(lua, 0);
  return alive;
}

static int number_of(int index, const char *name, int fallback) {
  lua_getfield(lua, index, name);
  int value = luaL_optinteger(lua, -1, fallback);
  lua_pop(lua, 1);
  return value;
}

static int lua_listen(lua_State *state) {
  luaL_checktype(state, 1, LUA_TTABLE);
  pre_fork = number_of(1, "pre", 1), min_fork = number_of(1, "min", 1), max_fork = number_of(1, "max", 1);
  if (max_fork > MAX_PROCESSES - MAX_INTERVALS) return luaL_error(state, "at most %d workers", MAX_PROCESSES - MAX_INTERVALS);
  lua_getfield(state, 1, "host");
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(number_of(1, "port", 8080))};
  inet_pton(AF_INET, luaL_checkstring(state, -1), &address.sin_addr);
  int yes = 1;
  listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 128))
    return luaL_error(state, "cannot listen: %s", strerror(errno));
  lua_settop(state, 1);
  listen_table = luaL_ref(state, LUA_REGISTRYINDEX);
  return 0;
}

static int lua_interval(lua_State *state) {
  luaL_checktype(state, 1, LUA_TTABLE);
  if (intervals == MAX_INTERVALS) return luaL_error(state, "too many intervals");
  lua_settop(state, 1);
  interval_tables[intervals++] = luaL_ref(state, LUA_REGISTRYINDEX);
  return 0;
}

/* One read: what has arrived, at most `size` bytes; nil at the end. */
static int socket_read(lua_State *state) {
  int *socket = luaL_checkudata(state, 1, "socket");
  size_t size = luaL_checkinteger(state, 2);
  luaL_Buffer buffer;
  char *space = luaL_buffinitsize(state, &buffer, size);
  ssize_t got;
  do got = read(*socket, space, size);
  while (got < 0 && errno == EINTR);
  if (got <= 0) return 0;
  luaL_pushresultsize(&buffer, got);
  return 1;
}

static int socket_write(lua_State *state) {
  int *socket = luaL_checkudata(state, 1, "socket");
  size_t left;
  const char *text = luaL_checklstring(state, 2, &left);
  while (left) {
    ssize_t put = send(*socket, text, left, MSG_NOSIGNAL);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return 0;
    text += put, left -= put;
  }
  lua_pushboolean(state, 1);
  return 1;
}

static void serve(int connection) {
  struct timeval patience = {.tv_sec = 30};
  setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  *(int *)lua_newuserdata(lua, sizeof(int)) = connection;
  luaL_setmetatable(lua, "socket");
  int answered = call(listen_table, "connect", 1);
  /* Read what else has come, since closing over it would reset the connection and lose the answer. */
  char rest[4096];
  shutdown(connection, SHUT_WR);
  struct pollfd more = {connection, POLLIN, 0};
  while (answered && poll(&more, 1, 200) > 0 && read(connection, rest, sizeof rest) > 0);
  close(connection);
  if (!answered) exit(FAILED);
  if (!is_alive(listen_table)) exit(DATABASE_GONE);
}

static void worker(int slot) {
  if (!call(listen_table, "prepare", 0) || !call(listen_table, "watch", 0)) exit(FAILED);
  int database = lua_tointeger(lua, -1);
  lua_settop(lua, 0);
  struct pollfd events[] = {{listener, POLLIN, 0}, {database, POLLIN, 0}};
  slots[slot].state = IDLE;
  while (!stopping) {
    if (poll(events, 2, 1000) < 0) continue;
    if (events[1].revents && !is_alive(listen_table)) exit(DATABASE_GONE);
    int connection = events[0].revents ? accept4(listener, NULL, NULL, SOCK_CLOEXEC) : -1;
    if (connection < 0) continue;
    slots[slot].state = BUSY;
    serve(connection);
    slots[slot].state = IDLE;
  }
  exit(LEFT);
}

static void interval(int slot, int table) {
  if (!call(table, "prepare", 0)) exit(FAILED);
  lua_settop(lua, 0);
  slots[slot].state = IDLE;
  lua_rawgeti(lua, LUA_REGISTRYINDEX, table);
  int delay = number_of(1, "delay", 1);
  lua_settop(lua, 0);
  while (!stopping) {
    if (!is_alive(table)) exit(DATABASE_GONE);
    call(table, "handler", 0);
    lua_settop(lua, 0);
    sleep(delay);
  }
  exit(LEFT);
}

static void start(int slot) {
  pid_t master = getpid();
  slots[slot].state = STARTING;
  pid_t pid = fork();
  if (pid < 0) fail("cannot fork");
  if (pid) {
    slots[slot].pid = pid;
    return;
  }
  on(SIGCHLD, SIG_DFL);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != master) exit(LEFT);
  lua_settop(lua, 0);
  if (slot < intervals) interval(slot, interval_tables[slot]);
  worker(slot);
}

/* Looks who has left; a prepared process that lost its database ends the whole. */
static void reap(void) {
  int status;
  pid_t pid;
  while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
    for (int slot = 0; slot < MAX_PROCESSES; slot++)
      if (slots[slot].pid == pid) {
        slots[slot].pid = 0;
        if (WIFEXITED(status) && WEXITSTATUS(status) == DATABASE_GONE) stopping = 1;
        if (WIFSIGNALED(status) || WEXITSTATUS(status) == FAILED)
          fprintf(stderr, "moonbridge (stand-in): worker %d left with an error\n", (int)pid);
      }
}

/* Starts what is missing, one process; false when nothing is. */
static int fill(void) {
  int running = 0, idle = 0, free_slot = -1;
  for (int slot = 0; slot < intervals + max_fork; slot++) {
    if (slot < intervals) {
      if (!slots[slot].pid) return start(slot), 1;
      continue;
    }
    if (slots[slot].pid) running++, idle += slots[slot].state != BUSY;
    else if (free_slot < 0) free_slot = slot;
  }
  if (free_slot < 0 || (running >= min_fork && idle >= pre_fork)) return 0;
  return start(free_slot), 1;
}

static void master(void) {
  /* A child that leaves ends the pause. */
  struct timespec pause = {.tv_nsec = 20000000};
  on(SIGTERM, stop), on(SIGINT, stop), on(SIGCHLD, wake), on(SIGPIPE, SIG_IGN);
  while (!stopping) {
    reap();
    while (fill());
    nanosleep(&pause, NULL);
  }
  for (int slot = 0; slot < MAX_PROCESSES; slot++)
    if (slots[slot].pid) kill(slots[slot].pid, SIGTERM);
  close(listener);
  while (wait(NULL) > 0 || errno == EINTR);
}

static const luaL_Reg methods[] = {{"read", socket_read}, {"write", socket_write}, {NULL, NULL}};

static void open_lua(void) {
  lua = luaL_newstate();
  luaL_openlibs(lua);
  luaL_newmetatable(lua, "socket");
  luaL_setfuncs(lua, methods, 0);
  lua_pushvalue(lua, -1);
  lua_setfield(lua, -2, "__index");
  lua_register(lua, "listen", lua_listen);
  lua_register(lua, "interval", lua_interval);
#ifdef MOONBR_LUA_PATH
  lua_getglobal(lua, "package");
  lua_pushliteral(lua, MOONBR_LUA_PATH);
  lua_setfield(lua, -2, "path");
#endif
  lua_settop(lua, 0);
}

int main(int argc, char **argv) {
  int option;
  while ((option = getopt(argc, argv, "+dh")) != -1)
    if (option != 'd') fail("Usage: moonbridge [-d] SCRIPT ARGUMENTS; the real one knows more");
  if (optind >= argc) fail("no script is named");
  slots = mmap(NULL, MAX_PROCESSES * sizeof *slots, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (slots == MAP_FAILED) fail("no memory");
  open_lua();
  if (luaL_loadfile(lua, argv[optind])) fail(lua_tostring(lua, -1));
  for (int i = optind + 1; i < argc; i++) lua_pushstring(lua, argv[i]);
  if (lua_pcall(lua, argc - optind - 1, 0, 0)) fail(lua_tostring(lua, -1));
  if (listener < 0) fail("the script listens nowhere");
  master();
  return 0;
}
