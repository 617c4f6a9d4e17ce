/** What is asked on this machine is asked directly. */

const loopbackNames = ["localhost", "127.0.0.1", "::1"];

/**
 * A proxy of the environment (`HTTP_PROXY`) cannot reach our loopback interface, and would be told
 * the admin token. To be called before the first `fetch`; children inherit it.
 */
export function spareLoopback(env: Record<string, string | undefined>): void {
  const spared = [env.no_proxy || env.NO_PROXY, ...loopbackNames].filter(Boolean).join(",");
  // Where both are set, the runtime reads the first one.
  env.no_proxy = spared;
  env.NO_PROXY = spared;
}
