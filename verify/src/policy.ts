/** Which logs and witnesses the reader trusts: the content of a policy file (c2sp.org/tlog-policy). Package evidence reads it in the same way. */
import { ed25519 } from '@noble/curves/ed25519.js';
import { hex, sha256, unbase64, base64, utf8, type Bytes } from './bytes.js';
import { signatureOf, validName } from './log.js';

interface Witness {
  readonly name: string;
  readonly keyName: string;
  readonly keyHash: number;
  /** Undefined for a key of a kind that this page cannot verify. */
  readonly point: Bytes | undefined;
}

interface Group {
  readonly least: number;
  readonly members: readonly string[];
  readonly witness: number;
}

export interface Policy {
  readonly logs: readonly string[];
  readonly witnesses: readonly Witness[];
  readonly groups: ReadonlyMap<string, Group>;
  readonly quorum: string;
}

const maxPolicy = 1 << 16;
const maxNames = 256;
const none = 'none';

/** Reads a verifier key of any kind: NAME+HASH+BASE64. */
function keyOf(text: string): { name: string; hash: number; kind: number; key: Bytes } | undefined {
  const m = /^([^+]*)\+([0-9a-fA-F]{8})\+([A-Za-z0-9+/]+={0,2})$/.exec(text);
  const raw = m && unbase64(m[3]!);
  if (!m || !raw || raw.length < 2 || base64(raw) !== m[3] || !validName(m[1]!)) return undefined;
  const kind = raw[0]!;
  const hash = parseInt(m[2]!, 16);
  if (parseInt(sha256(utf8(m[1]! + '\n'), raw).slice(0, 8), 16) !== hash || (kind !== 6 && raw.length !== 33)) return undefined;
  return { name: m[1]!, hash, kind, key: raw.slice(1) };
}

/** Reads a policy; undefined for any other text. */
export function parsePolicy(text: string): Policy | undefined {
  if (utf8(text).length > maxPolicy || /[\x00-\x08\x0b-\x1f\x7f]/.test(text)) return undefined;
  const logs: string[] = [];
  const witnesses: Witness[] = [];
  const groups = new Map<string, Group>();
  const [seen, used] = [new Set<string>(), new Set<string>()];
  let quorum = '';
  const isNew = (key: Bytes): boolean => seen.size < seen.add(hex(key)).size;
  const define = (name: string, group: Group): boolean => name !== none && groups.size < groups.set(name, groups.get(name) ?? group).size;
  for (const line of text.split('\n')) {
    const [verb, ...rest] = line.split(/[ \t]+/).filter(Boolean);
    if (verb === undefined || verb.startsWith('#')) continue;
    if (verb === 'log' && (rest.length === 1 || rest.length === 2)) {
      const key = keyOf(rest[0]!);
      if (key?.kind !== 1 || !isNew(key.key)) return undefined;
      logs.push(rest[0]!);
    } else if (verb === 'witness' && (rest.length === 2 || rest.length === 3)) {
      const key = keyOf(rest[1]!);
      if (!key || (key.kind !== 4 && key.kind !== 6) || !isNew(key.key)) return undefined;
      witnesses.push({ name: rest[0]!, keyName: key.name, keyHash: key.hash, point: key.kind === 4 ? key.key : undefined });
      if (!define(rest[0]!, { least: 1, members: [], witness: witnesses.length - 1 })) return undefined;
    } else if (verb === 'group' && rest.length >= 3) {
      const [name, rule, ...members] = rest as [string, string, ...string[]];
      const least = rule === 'any' ? 1 : rule === 'all' ? members.length : /^[1-9][0-9]{0,3}$/.test(rule) ? Number(rule) : Infinity;
      if (least > members.length) return undefined;
      for (const m of members) {
        if (!groups.has(m) || used.has(m)) return undefined;
        used.add(m);
      }
      if (!define(name, { least, members, witness: -1 })) return undefined;
    } else if (verb === 'quorum' && rest.length === 1) {
      if (quorum || (rest[0] !== none && !groups.has(rest[0]!))) return undefined;
      quorum = rest[0]!;
    } else return undefined;
    if (logs.length + groups.size > maxNames) return undefined;
  }
  return quorum ? { logs, witnesses, groups, quorum } : undefined;
}

export const asks = (p: Policy): boolean => p.quorum !== none;

/** Which witnesses of a policy cosigned. Times are in seconds since 1970. */
export interface Cosigned {
  readonly names: readonly string[];
  /** Whether the quorum is there, and since when. */
  readonly met: boolean;
  readonly since: bigint | undefined;
}

/** Checks cosignatures of a checkpoint's text. Undefined when a cosignature of a known witness does not hold. Others are ignored. */
export function witnessed(p: Policy, text: string, lines: readonly string[]): Cosigned | undefined {
  const at: (bigint | undefined)[] = p.witnesses.map(() => undefined);
  for (const line of lines) {
    const s = signatureOf(line);
    if (!s) return undefined;
    const i = p.witnesses.findIndex((w) => w.point && w.keyName === s.name && w.keyHash === s.hash);
    if (i < 0) continue;
    const seen = opened(p.witnesses[i]!.point!, text, s.bytes);
    if (seen === undefined) return undefined;
    if (at[i] === undefined || seen < at[i]) at[i] = seen;
  }
  const times = at.filter((t) => t !== undefined).sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  const names = p.witnesses.filter((_, i) => at[i] !== undefined).map((w) => w.name);
  if (!asks(p)) return { names, met: true, since: times[0] };
  const satisfied = (name: string, t: bigint): boolean => {
    const g = p.groups.get(name)!;
    if (g.witness >= 0) return at[g.witness] !== undefined && at[g.witness]! <= t;
    return g.members.filter((m) => satisfied(m, t)).length >= g.least;
  };
  const since = times.find((t) => satisfied(p.quorum, t));
  return { names, met: since !== undefined, since };
}

/** The last second that has a form in RFC 3339. */
const maxTime = 253_402_300_799n;

/** The time of a cosignature (c2sp.org/tlog-cosignature) that holds. */
function opened(point: Bytes, text: string, bytes: Bytes): bigint | undefined {
  if (bytes.length !== 72) return undefined;
  const seen = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0);
  if (seen === 0n || seen > maxTime) return undefined;
  try {
    return ed25519.verify(bytes.slice(8), utf8(`cosignature/v1\ntime ${seen}\n${text}`), point, { zip215: false }) ? seen : undefined;
  } catch {
    return undefined;
  }
}
