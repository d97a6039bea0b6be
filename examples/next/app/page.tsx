import { connection } from 'next/server';

export default async function Page() {
  await connection(); // drawn for each visit: the policy has a new nonce each time
  return <h1>Songs</h1>;
}
