'use client';

import type { FailedDetail, Session } from '@timbre/ats-widget';
import { AtsWidget } from '@timbre/ats-widget/react';
import { useState } from 'react';
import { useAddSong } from '../songs';

/** Asks the route handler for a session. Its answer has the token, or the error that the widget shows. */
async function getSession(): Promise<Session> {
  const response = await fetch('/my-backend/session', { method: 'POST' });
  return response.json();
}

export function RegisterSong({ siteKey, atsUrl }: { siteKey: string; atsUrl: string }) {
  const addSong = useAddSong();
  const [failure, setFailure] = useState<FailedDetail>();
  return (
    <>
      <h1>Register a song</h1>
      <AtsWidget
        siteKey={siteKey}
        atsUrl={atsUrl}
        network="testnet"
        getSession={getSession}
        onComplete={(e) => {
          setFailure(undefined);
          addSong(e.detail);
        }}
        onFailed={(e) => {
          setFailure(e.detail); // the widget shows the reason and the next step
          console.warn('registration failed', e.detail);
        }}
      />
      {failure && <p role="alert">The song is not registered. Our support needs this reference: {failure.requestId ?? failure.code}.</p>}
    </>
  );
}
