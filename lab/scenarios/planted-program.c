/*
 * The planted program of the lab: harmless, but it leaves in memory and on the network what an implant leaves.
 *
 *   planted-program --name NAME --listen PORT --beacon ADDRESS:PORT --hours HOURS     (listen and beacon may be left out)
 *
 * - a process name that tells something else than its arguments;
 * - an anonymous page that is readable, writable and executable, with a marker in it (nothing ever jumps there);
 * - a listening socket, on which nobody is answered;
 * - a session to the lab's beacon server: a line a second, answers are thrown away; a lost one is opened again after 30 s;
 * - an executable that is deleted while it runs.
 *
 * It reads no file, obeys nobody, and runs only where /run/lab-instance says that this is an instance of the lab. It ends
 * when that file goes, and after HOURS in any case.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MARKER "/run/lab-instance"
#define NO_LAB_INSTANCE 77
#define REGION_BYTES 8192
#define NOP 0x90
#define RETURN 0xc3
#define RETRY_SECONDS 30
#define CONNECT_MILLISECONDS 5000

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static time_t uptime(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec;
}

static void plant_executable_region(void) {
  int protection = PROT_READ | PROT_WRITE | PROT_EXEC;
  unsigned char *region = mmap(NULL, REGION_BYTES, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (region == MAP_FAILED) fail("mmap");
  memset(region, NOP, 64);
  region[64] = RETURN;
  strcpy((char *)region + 128, "PLANTED-RWX-MARKER-0xDEADBEEF");
}

static void plant_listener(int port) {
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  int on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = INADDR_ANY};
  if (bind(listener, (struct sockaddr *)&any, sizeof any) || listen(listener, 5)) fail("listen");
}

/* Gives -1 where nobody answers in time. */
static int open_session(const struct sockaddr_in *server) {
  int session = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (session < 0) return -1;
  int failed = connect(session, (const struct sockaddr *)server, sizeof *server);
  if (failed && errno == EINPROGRESS) {
    struct pollfd connected = {.fd = session, .events = POLLOUT};
    socklen_t length = sizeof failed;
    poll(&connected, 1, CONNECT_MILLISECONDS);
    if (!(connected.revents & POLLOUT)) errno = failed = ETIMEDOUT;
    else getsockopt(session, SOL_SOCKET, SO_ERROR, &failed, &length);
  }
  if (failed) {
    close(session);
    return -1;
  }
  return session;
}

/* Sends one line and takes what has come; tells whether the session still lives. */
static int keep_session(int session) {
  static const char line[] = "beacon\n";
  char answer[512];
  if (send(session, line, sizeof line - 1, MSG_NOSIGNAL) < 0 && errno != EAGAIN) return 0;
  ssize_t got;
  while ((got = recv(session, answer, sizeof answer, 0)) > 0);
  return got < 0 && errno == EAGAIN;
}

static void remove_own_file(void) {
  char path[4096];
  ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
  if (length < 0) fail("readlink");
  path[length] = 0;
  if (unlink(path)) fail("unlink");
}

int main(int argc, char **argv) {
  const char *name = "planted";
  int port = 0, hours = 1;
  struct sockaddr_in server = {.sin_family = AF_INET};
  if (access(MARKER, F_OK)) {
    fprintf(stderr, "%s: no %s: this is no instance of the lab\n", argv[0], MARKER);
    return NO_LAB_INSTANCE;
  }
  for (int at = 1; at + 1 < argc; at += 2) {
    char *value = argv[at + 1];
    if (!strcmp(argv[at], "--name")) name = value;
    else if (!strcmp(argv[at], "--listen")) port = atoi(value);
    else if (!strcmp(argv[at], "--hours")) hours = atoi(value);
    else if (!strcmp(argv[at], "--beacon")) {
      char address[16] = "";
      int server_port = 0;
      if (sscanf(value, "%15[0-9.]:%d", address, &server_port) != 2) return 2;
      if (inet_pton(AF_INET, address, &server.sin_addr) != 1) return 2;
      server.sin_port = htons(server_port);
    } else return 2;
  }
  prctl(PR_SET_NAME, name, 0, 0, 0);
  plant_executable_region();
  if (port) plant_listener(port);
  remove_own_file();

  time_t end = uptime() + hours * 3600L, next_try = 0;
  int session = -1;
  while (!access(MARKER, F_OK) && uptime() < end) {
    if (server.sin_port && session < 0 && uptime() >= next_try) {
      session = open_session(&server);
      next_try = uptime() + RETRY_SECONDS;
    }
    if (session >= 0 && !keep_session(session)) {
      close(session);
      session = -1;
      next_try = uptime() + RETRY_SECONDS;
    }
    sleep(1);
  }
  return 0;
}
