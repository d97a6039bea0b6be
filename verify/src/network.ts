/** Which network a log is of, and which networks are for trying out. The same rule as in evidence/network.go of the Go sources. */
import type { Evidence } from './evidence.js';

/** The one network on which a registration counts. */
const realNetwork = 'mainnet';

/** Whether a network may be called so. */
export const isNetworkName = (name: string): boolean => /^[a-z][a-z0-9-]{0,62}$/.test(name);

/** The network whose log has the origin, of the form HOST/log/NAME; undefined for every other text. */
export function networkOf(origin: string): string | undefined {
  const at = origin.indexOf('/log/');
  const name = origin.slice(at + '/log/'.length);
  return at > 0 && !origin.slice(0, at).includes('/') && isNetworkName(name) ? name : undefined;
}

/** Nothing counts on any network but the real one. A log's network is in its origin, which the log signs. A chain's is only claimed. */
export const onTestNetwork = (e: Evidence): boolean => ('leaf' in e.at ? networkOf(e.at.origin) : e.network) !== realNetwork;
