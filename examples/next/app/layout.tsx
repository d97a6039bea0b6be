import type { Metadata } from 'next';
import Link from 'next/link';
import type { ReactNode } from 'react';
import { Songs } from './songs';
import './style.css';

export const metadata: Metadata = { title: 'Songs', icons: 'data:,' };

export default function Layout({ children }: { children: ReactNode }) {
  return (
    <html lang="en">
      <body>
        <nav>
          <Link href="/">Songs</Link> <Link href="/register">Register a song</Link>
        </nav>
        <main>
          <Songs>{children}</Songs>
        </main>
        <noscript>Registering a song needs JavaScript.</noscript>
      </body>
    </html>
  );
}
