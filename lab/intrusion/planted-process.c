/*
 * The planted process of the lab: harmless, but it leaves in memory what an implant leaves.
 *
 *   planted-process --listen PORT --peer ADDRESS
 *
 * - a name that imitates a kernel thread, while the arguments tell something else;
 * - an anonymous page that is readable, writable and executable, with a marker in it (nothing ever jumps there);
 * - a listening socket, and an established connection to it (stands for a command-and-control session);
 * - an executable that is deleted while it runs.
 *
 * It only sleeps afterwards: it reads no file, sends no byte, and answers nobody.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define REGION_BYTES 8192
#define NOP 0x90
#define RETURN 0xc3

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static void plant_executable_region(void) {
  int protection = PROT_READ | PROT_WRITE | PROT_EXEC;
  unsigned char *region = mmap(NULL, REGION_BYTES, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (region == MAP_FAILED) fail("mmap");
  memset(region, NOP, 64);
  region[64] = RETURN;
  strcpy((char *)region + 128, "PLANTED-RWX-MARKER-0xDEADBEEF");
}

static void plant_connection(int port, const char *peer) {
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  int on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = INADDR_ANY};
  if (bind(listener, (struct sockaddr *)&any, sizeof any) || listen(listener, 5)) fail("listen");

  int session = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  if (inet_pton(AF_INET, peer, &address.sin_addr) != 1) fail("peer address");
  if (connect(session, (struct sockaddr *)&address, sizeof address)) fail("connect");
  if (accept(listener, NULL, NULL) < 0) fail("accept");
}

int main(int argc, char **argv) {
  if (argc != 5) {
    fprintf(stderr, "usage: %s --listen PORT --peer ADDRESS\n", argv[0]);
    return 2;
  }
  prctl(PR_SET_NAME, "kworker-evil", 0, 0, 0);
  plant_executable_region();
  plant_connection(atoi(argv[2]), argv[4]);
  if (unlink(argv[0])) fail("unlink");
  for (;;) pause();
}
