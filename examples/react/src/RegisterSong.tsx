import type { CompleteDetail, FailedDetail } from '@timbre/ats-widget';
import { AtsWidget } from '@timbre/ats-widget/react';
import { useState } from 'react';
import { getSession } from './session';

export function RegisterSong({ onRegistered }: { onRegistered: (song: CompleteDetail) => void }) {
  const [failure, setFailure] = useState<FailedDetail>();
  return (
    <>
      <h1>Register a song</h1>
      <AtsWidget
        siteKey={import.meta.env.VITE_ATS_SITE_KEY}
        atsUrl={import.meta.env.VITE_ATS_URL}
        network="testnet"
        getSession={getSession}
        onComplete={(e) => {
          setFailure(undefined);
          onRegistered(e.detail);
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
