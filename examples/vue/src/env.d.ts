interface ImportMetaEnv {
  readonly VITE_ATS_URL: string;
  readonly VITE_ATS_SITE_KEY: string;
}
