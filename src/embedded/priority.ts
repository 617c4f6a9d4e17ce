/** How the embedded servers share the cores with us. */

/**
 * The command, `niceness` below our priority, and as batch work (`chrt` of util-linux or busybox, on
 * Linux). A server that a message wakes then waits for its turn, and does not interrupt the thread
 * that sent the message and has more to send. As batch work alone it gets as much of the cores as
 * before; see sched(7), and decision 0021 for what it gives. What cannot be had is left out.
 */
export function givingWay(command: readonly string[], niceness: number): string[] {
  const script = `
    chrt -b -p 0 $$ >/dev/null 2>&1
    command -v nice >/dev/null && set -- nice -n ${niceness} "$@"
    exec "$@"`;
  return ["/bin/sh", "-c", script, "sh", ...command];
}
