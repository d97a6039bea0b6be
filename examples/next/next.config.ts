import type { NextConfig } from 'next';

// The folder is an app of its own, also inside a larger repository.
const config: NextConfig = { turbopack: { root: import.meta.dirname }, outputFileTracingRoot: import.meta.dirname };

export default config;
