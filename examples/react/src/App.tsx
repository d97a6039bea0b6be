import type { CompleteDetail } from '@timbre/ats-widget';
import { useEffect, useState } from 'react';
import { RegisterSong } from './RegisterSong';

// Two routes. A router of your choice does the same: it draws the widget in its route, and removes it.
function useRoute() {
  const [route, setRoute] = useState(location.hash);
  useEffect(() => {
    const follow = () => setRoute(location.hash);
    addEventListener('hashchange', follow);
    return () => removeEventListener('hashchange', follow);
  }, []);
  return route;
}

export function App() {
  const route = useRoute();
  const [songs, setSongs] = useState<CompleteDetail[]>([]);
  return (
    <>
      <nav>
        <a href="#">Songs</a> <a href="#register">Register a song</a>
      </nav>
      <main>
        {route === '#register' ? <RegisterSong onRegistered={(song) => setSongs((all) => [...all, song])} /> : <h1>Songs</h1>}
        <div role="status">
          {songs.map((song) => (
            <p key={song.atsId}>
              Registered as number {song.atsId}. <a href={song.explorerUrl}>See the public record</a>
            </p>
          ))}
        </div>
      </main>
    </>
  );
}
