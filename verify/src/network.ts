/** Derives the network of a log, and says which networks are test networks. The same rule as in proof/evidence/network.go of the Go sources. */

/** The one network on which a registration counts. */
const realNetwork = 'mainnet';

/** Whether the text is a valid network name. */
export const isNetworkName = (name: string): boolean => /^[a-z][a-z0-9-]{0,62}$/.test(name);

/** The network of the log with this origin, of the form HOST/log/NAME; undefined for every other text. */
export function networkOf(origin: string): string | undefined {
  const at = origin.indexOf('/log/');
  const name = origin.slice(at + '/log/'.length);
  return at > 0 && !origin.slice(0, at).includes('/') && isNetworkName(name) ? name : undefined;
}

/**
 * Every network but the real one is a test network. A log signs its origin, which names its network. The network of a chain is only
 * claimed.
 */
export const onTestNetwork = (e: { readonly network: string; readonly at: { readonly origin: string } | object }): boolean =>
  ('origin' in e.at ? networkOf(e.at.origin) : e.network) !== realNetwork;
