'use client';

import type { CompleteDetail } from '@timbre/ats-widget';
import { createContext, use, useState, type ReactNode } from 'react';

const Add = createContext<(song: CompleteDetail) => void>(() => {});

/** Returns the function that adds a song to the list of this visitor. */
export const useAddSong = () => use(Add);

/** The songs that this visitor has registered since the page was opened, below the page. */
export function Songs({ children }: { children: ReactNode }) {
  const [songs, setSongs] = useState<CompleteDetail[]>([]);
  return (
    <Add value={(song) => setSongs((all) => [...all, song])}>
      {children}
      <div role="status">
        {songs.map((song) => (
          <p key={song.atsId}>
            Registered as number {song.atsId}. <a href={song.explorerUrl}>See the public record</a>
          </p>
        ))}
      </div>
    </Add>
  );
}
