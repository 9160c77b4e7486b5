/*
 * Runs scripts for the host, over the guest's second serial port.
 *
 *   host -> guest   HELLO
 *                   RUN <id> <timeoutSeconds>, then the script in Base64 lines (<= 512 characters), then a line "."
 *                   KILL <id>
 *   guest -> host   READY <Base64 of "name|version|hostname|address">     at start, and as the answer to HELLO
 *                   OUT <id> <Base64> / ERR <id> <Base64>                 as output comes
 *                   EXIT <id> <code>                                      after the last OUT and ERR
 *
 * A script has a process group of its own. KILL and the time-out kill that group: code 137. Of each stream the first
 * 24,000 bytes are sent (Run Command keeps no more); what follows is read and dropped, so that the script never blocks.
 *
 * It is C and not shell because a process costs 30 ms on an emulated processor, and a shell needs a dozen a script.
 * What the host says is trusted: it is the host that owns the guest.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define SERIAL_PORT "/dev/ttyS1"
#define SCRIPTS "/run/scripts"
#define OUTPUT_LIMIT 24000
#define CHUNK 1500           /* bytes of output in a line; a multiple of 3 */
#define LINE_LIMIT 4096
#define ID_LIMIT 100
#define RUN_LIMIT 32         /* scripts at once */
#define KILLED 137           /* 128 + SIGKILL, as a shell reports it */
#define CANNOT_RUN 125
#define GRACE_MILLISECONDS 2000

struct stream {
  int pipe;                  /* reading end, -1 when closed */
  int left;                  /* bytes that may still be sent */
};

struct run {
  char id[ID_LIMIT + 1];     /* empty: the place is free */
  char script[sizeof SCRIPTS + ID_LIMIT + 1];
  pid_t pid;                 /* also the id of its process group */
  int ended;                 /* the leader was waited for; code is known */
  int code;
  long long deadline;        /* milliseconds */
  int killed;
  struct stream out, err;
};

static struct run runs[RUN_LIMIT];
static int port;

static long long now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000LL + time.tv_nsec / 1000000;
}

/* --- Base64 (RFC 4648) */

static const char ALPHABET[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void encode(const unsigned char *bytes, int count, char *text) {
  for (int at = 0; at < count; at += 3) {
    unsigned group = bytes[at] << 16 | (at + 1 < count ? bytes[at + 1] << 8 : 0) | (at + 2 < count ? bytes[at + 2] : 0);
    *text++ = ALPHABET[group >> 18];
    *text++ = ALPHABET[group >> 12 & 63];
    *text++ = at + 1 < count ? ALPHABET[group >> 6 & 63] : '=';
    *text++ = at + 2 < count ? ALPHABET[group & 63] : '=';
  }
  *text = 0;
}

/* Decodes in place. Returns the number of bytes, or -1 when the text is not whole Base64. */
static int decode(char *text) {
  unsigned group = 0;
  int digits = 0, padding = 0, count = 0;
  for (const char *at = text; *at; at++) {
    const char *digit = *at == '=' ? ALPHABET : strchr(ALPHABET, *at);
    if (digit == NULL || (padding && *at != '=')) return -1;
    padding += *at == '=';
    group = group << 6 | (unsigned)(digit - ALPHABET);
    if (++digits % 4) continue;
    text[count++] = group >> 16 & 255;
    if (padding < 2) text[count++] = group >> 8 & 255;
    if (padding < 1) text[count++] = group & 255;
  }
  return digits % 4 || padding > 2 ? -1 : count;
}

/* --- guest -> host */

static void say(const char *text) {
  char line[LINE_LIMIT];
  int length = snprintf(line, sizeof line, "%s\n", text);
  for (int done = 0; done < length;) {
    ssize_t wrote = write(port, line + done, length - done);
    if (wrote < 0 && errno != EINTR) exit(1);
    if (wrote > 0) done += wrote;
  }
}

static void say_output(const char *kind, const char *id, const void *bytes, int count) {
  char text[CHUNK / 3 * 4 + 5], line[LINE_LIMIT];
  encode(bytes, count, text);
  snprintf(line, sizeof line, "%s %s %s", kind, id, text);
  say(line);
}

static void say_exit(const char *id, int code) {
  char line[LINE_LIMIT];
  snprintf(line, sizeof line, "EXIT %s %d", id, code);
  say(line);
}

static void refuse(const char *id, const char *reason) {
  say_output("ERR", id, reason, strlen(reason));
  say_exit(id, CANNOT_RUN);
}

/* The value of NAME=value or NAME="value" in /etc/os-release. */
static void read_os_release(const char *name, char *value, size_t size) {
  char line[256];
  FILE *file = fopen("/etc/os-release", "r");
  snprintf(value, size, "unknown");
  while (file && fgets(line, sizeof line, file)) {
    size_t length = strlen(name);
    if (strncmp(line, name, length) || line[length] != '=') continue;
    char *start = line + length + 1 + (line[length + 1] == '"');
    start[strcspn(start, "\"\n")] = 0;
    snprintf(value, size, "%s", start);
  }
  if (file) fclose(file);
}

static void say_ready(void) {
  char name[64], version[64], host[64] = "", facts[300], text[420], line[LINE_LIMIT];
  const char *address = getenv("LAB_ADDRESS");
  read_os_release("NAME", name, sizeof name);
  read_os_release("VERSION_ID", version, sizeof version);
  gethostname(host, sizeof host - 1);
  snprintf(facts, sizeof facts, "%s|%s|%s|%s", name, version, host, address ? address : "");
  encode((unsigned char *)facts, strlen(facts), text);
  snprintf(line, sizeof line, "READY %s", text);
  say(line);
}

/* --- scripts */

static struct run *find_run(const char *id) {
  for (int at = 0; at < RUN_LIMIT; at++)
    if (!strcmp(runs[at].id, id)) return &runs[at];
  return NULL;
}

static void kill_run(struct run *run) {
  if (run->killed) return;
  run->killed = 1;
  run->deadline = now() + GRACE_MILLISECONDS; /* who left the group may hold the pipes: wait for it no longer */
  kill(-run->pid, SIGKILL);                   /* the group outlives its leader, as long as it has a member */
}

static void run_child(const char *script, int out, int err) {
  setsid();
  dup2(open("/dev/null", O_RDONLY), 0);
  dup2(out, 1);
  dup2(err, 2);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  /* `sh -c FILE` runs FILE by its first line, or as a plain shell script where it has none: as the SSM agent does. */
  execl("/bin/sh", "sh", "-c", script, (char *)NULL);
  _exit(127);
}

static void start(const char *id, long seconds, const char *script, int length) {
  struct run *run = find_run("");
  if (run == NULL || find_run(id)) {
    refuse(id, run == NULL ? "too many scripts at once\n" : "a script of this id is running\n");
    return;
  }
  snprintf(run->script, sizeof run->script, SCRIPTS "/%s", id);
  int file = open(run->script, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
  if (file < 0 || write(file, script, length) != length || close(file)) {
    refuse(id, "the guest cannot write the script to memory\n");
    return;
  }
  int out[2], err[2];
  if (pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC) || (run->pid = fork()) < 0) {
    refuse(id, "the guest cannot start a process\n");
    return;
  }
  if (run->pid == 0) run_child(run->script, out[1], err[1]);
  setpgid(run->pid, run->pid); /* so that a KILL which comes at once finds the group */
  close(out[1]);
  close(err[1]);
  snprintf(run->id, sizeof run->id, "%s", id);
  run->out = (struct stream){.pipe = out[0], .left = OUTPUT_LIMIT};
  run->err = (struct stream){.pipe = err[0], .left = OUTPUT_LIMIT};
  run->deadline = now() + seconds * 1000;
  run->killed = run->ended = 0;
}

static void read_stream(const char *kind, const char *id, struct stream *stream) {
  char bytes[CHUNK];
  ssize_t count = read(stream->pipe, bytes, sizeof bytes);
  if (count < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (count <= 0) {
    close(stream->pipe);
    stream->pipe = -1;
    return;
  }
  int wanted = count < stream->left ? count : stream->left;
  stream->left -= wanted;
  if (wanted > 0) say_output(kind, id, bytes, wanted);
}

static void wait_for_children(void) {
  int status;
  for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
    for (int at = 0; at < RUN_LIMIT; at++) {
      struct run *run = &runs[at];
      if (!*run->id || run->ended || run->pid != pid) continue;
      run->code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
      run->ended = 1;
    }
}

/* Time-outs, and the EXIT of runs that are over. */
static void settle(struct run *run) {
  int silent = run->out.pipe < 0 && run->err.pipe < 0;
  if (!run->killed && now() >= run->deadline) kill_run(run);
  if (!run->ended || (!silent && !(run->killed && now() >= run->deadline))) return;
  if (run->out.pipe >= 0) close(run->out.pipe);
  if (run->err.pipe >= 0) close(run->err.pipe);
  unlink(run->script);
  say_exit(run->id, run->killed ? KILLED : run->code);
  run->id[0] = 0;
}

/* --- host -> guest */

static struct {
  int active;
  char id[ID_LIMIT + 1];
  long seconds;
  char *text;
  size_t length, size;
} incoming; /* the script that is being received */

static void receive_script_line(const char *line) {
  if (strcmp(line, ".")) {
    size_t length = strlen(line);
    if (incoming.length + length + 1 > incoming.size) {
      incoming.size = (incoming.length + length + 1) * 2;
      incoming.text = realloc(incoming.text, incoming.size);
      if (incoming.text == NULL) exit(1);
    }
    memcpy(incoming.text + incoming.length, line, length + 1);
    incoming.length += length;
    return;
  }
  incoming.active = 0;
  int length = incoming.length ? decode(incoming.text) : 0;
  if (length < 0) refuse(incoming.id, "the script did not arrive whole: it is no valid Base64\n");
  else start(incoming.id, incoming.seconds, incoming.text ? incoming.text : "", length);
}

static int is_id(const char *id) {
  size_t allowed = strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");
  return *id && *id != '.' && allowed == strlen(id) && allowed <= ID_LIMIT;
}

static void receive_line(char *line) {
  char id[ID_LIMIT + 1];
  long seconds;
  if (incoming.active) receive_script_line(line);
  else if (!strcmp(line, "HELLO")) say_ready();
  else if (sscanf(line, "RUN %100s %ld", id, &seconds) == 2 && is_id(id) && seconds > 0) {
    incoming.active = 1;
    incoming.length = 0;
    incoming.seconds = seconds;
    strcpy(incoming.id, id);
  } else if (sscanf(line, "KILL %100s", id) == 1 && is_id(id)) {
    struct run *run = find_run(id);
    if (run) kill_run(run);
  }
}

static void receive(void) {
  static char line[LINE_LIMIT];
  static size_t length;
  char bytes[LINE_LIMIT];
  ssize_t count = read(port, bytes, sizeof bytes);
  if (count <= 0 && errno != EINTR && errno != EAGAIN) exit(1);
  for (ssize_t at = 0; at < count; at++) {
    if (bytes[at] == '\n') {
      line[length] = 0;
      receive_line(line);
      length = 0;
    } else if (length < sizeof line - 1) {
      line[length++] = bytes[at];
    }
  }
}

static void open_port(void) {
  struct termios mode;
  port = open(SERIAL_PORT, O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (port < 0 || tcgetattr(port, &mode)) {
    perror(SERIAL_PORT);
    exit(1);
  }
  cfmakeraw(&mode);
  mode.c_cflag |= CLOCAL;
  mode.c_cflag &= ~(HUPCL | CRTSCTS);
  tcsetattr(port, TCSANOW, &mode);
}

static void on_child(int signal_number) {
  (void)signal_number; /* only there to interrupt ppoll */
}

int main(void) {
  sigset_t child, none;
  sigemptyset(&none);
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  sigprocmask(SIG_BLOCK, &child, NULL);
  struct sigaction action = {.sa_handler = on_child};
  sigaction(SIGCHLD, &action, NULL);
  mkdir(SCRIPTS, 0700);
  open_port();
  say(""); /* ends a line of echo, from the moment between opening the port and switching echo off */
  say_ready();

  for (;;) {
    struct pollfd watched[1 + 2 * RUN_LIMIT] = {{.fd = port, .events = POLLIN}};
    long long next = now() + 3600000;
    for (int at = 0; at < RUN_LIMIT; at++) {
      int used = *runs[at].id != 0;
      watched[1 + 2 * at] = (struct pollfd){.fd = used ? runs[at].out.pipe : -1, .events = POLLIN};
      watched[2 + 2 * at] = (struct pollfd){.fd = used ? runs[at].err.pipe : -1, .events = POLLIN};
      if (used && runs[at].deadline < next) next = runs[at].deadline;
    }
    long long wait = next > now() ? next - now() : 0;
    struct timespec limit = {.tv_sec = wait / 1000, .tv_nsec = wait % 1000 * 1000000};
    int ready = ppoll(watched, 1 + 2 * RUN_LIMIT, &limit, &none);
    for (int at = 0; ready > 0 && at < RUN_LIMIT; at++) {
      if (watched[1 + 2 * at].revents) read_stream("OUT", runs[at].id, &runs[at].out);
      if (watched[2 + 2 * at].revents) read_stream("ERR", runs[at].id, &runs[at].err);
    }
    wait_for_children();
    for (int at = 0; at < RUN_LIMIT; at++)
      if (*runs[at].id) settle(&runs[at]);
    if (ready > 0 && watched[0].revents) receive();
  }
}
