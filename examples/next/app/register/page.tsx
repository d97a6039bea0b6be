import { connection } from 'next/server';
import { RegisterSong } from './register-song';

export default async function Page() {
  await connection(); // read the variables when the page is asked for, and not when it is built
  return <RegisterSong siteKey={process.env.ATS_SITE_KEY ?? ''} atsUrl={process.env.ATS_URL ?? ''} />;
}
