const TEMPORARY = /^\/(tmp|var\/tmp|dev\/shm|run\/shm)\//;
const PROGRAM_FOLDERS = /^\/(s?bin|usr\/(local\/)?(s?bin|libexec|lib|lib64)|lib|lib64|etc|boot)\//;
const PERSISTENCE =
  /^\/(etc\/(cron[^/]*(\/|$)|systemd\/system\/|rc\.local$|rc\.d\/|init\.d\/|ld\.so\.preload$|profile\.d\/|anacrontab$)|var\/spool\/(cron|at)\/)/;

/** Folders that anybody may write to and that no package puts programs in. */
export function isTemporary(path: string): boolean {
  return TEMPORARY.test(path);
}

/** A file name with a leading dot, that `ls` does not show. */
export function isHidden(path: string): boolean {
  return /\/\.[^/.][^/]*$/.test(path);
}

export function isProgramFolder(path: string): boolean {
  return PROGRAM_FOLDERS.test(path);
}

/** Files whose content the system runs by itself: cron, systemd, boot scripts, the loader's preload list. */
export function isPersistence(path: string): boolean {
  return PERSISTENCE.test(path);
}

/** Absolute paths in a command line. */
export function pathsIn(command: string): string[] {
  return command.match(/\/[\w.+@-]+(?:\/[\w.+@-]+)+/g) ?? [];
}
