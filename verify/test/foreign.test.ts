/** A read proof that another program made, of a real runtime's state: the file of the Go sources. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { concat, unhex } from '../src/bytes.js';
import { stateOf } from '../src/chain.js';
import type { Substrate } from '../src/evidence.js';

interface Made {
  readonly state_root: string;
  readonly ats_id: number;
  readonly version: number;
  readonly commitment: string;
  readonly owner: string;
  readonly created_at: number;
  readonly versions: number;
  readonly time: string;
  readonly nodes: readonly string[];
}

const made = JSON.parse(readFileSync('../proof/evidence/testdata/foreign/read-proof.json', 'utf8')) as Made;
const plain = (s: string): string => s.replace('0x', '');

/** A header with the state root: a parent, number 2, the root, another root, and no digest. */
const header = concat(new Uint8Array(32), Uint8Array.of(2 << 2), unhex(plain(made.state_root)), new Uint8Array(33));
const state = (nodes: readonly Uint8Array[]) =>
  stateOf({ header, stateProof: nodes } as unknown as Substrate, BigInt(made.ats_id), BigInt(made.version));

test('a read proof of another program', () => {
  const nodes = made.nodes.map((n) => unhex(plain(n)));
  assert.deepEqual(state(nodes), {
    commitment: plain(made.commitment),
    protocol: 1,
    createdAt: BigInt(made.created_at),
    owner: plain(made.owner),
    versions: BigInt(made.versions),
    time: BigInt(Date.parse(made.time)) * 1_000_000n,
  });
  for (const [i, n] of nodes.entries())
    for (let k = 0; k < n.length; k++) {
      n[k]! ^= 1;
      assert.throws(() => state(nodes), `byte ${k} of node ${i}`);
      n[k]! ^= 1;
    }
});
