import { env } from '$env/dynamic/private';

// The page needs these two. They are public; the secret key is not among them.
export function load() {
  return { siteKey: env.ATS_SITE_KEY ?? '', atsUrl: env.ATS_URL ?? '' };
}
