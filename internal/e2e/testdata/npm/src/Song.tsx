import { useRef, useState } from 'react';
import type { AtsWidget as Element } from '@timbre/ats-widget';
import { AtsWidget } from '@timbre/ats-widget/react';
import { getSession, type Props } from './session.js';

export function Song({ id, ...props }: Props & { id: string }) {
  const [number, setNumber] = useState<number>();
  const [ready, setReady] = useState(0);
  const ref = useRef<Element>(null);
  return (
    <section data-ready={ready}>
      <AtsWidget
        {...props}
        id={id}
        ref={ref}
        className="wide"
        getSession={getSession}
        onReady={() => setReady((n) => n + 1)}
        onComplete={(e) => setNumber(e.detail.atsId)}
        onFailed={(e) => console.warn(e.detail.code, e.detail.message)}
      />
      {number && (
        <p>
          {id} is number {number}, on {ref.current?.getState().screen}.
        </p>
      )}
    </section>
  );
}

/** Wrong uses: each is an error. */
export const wrong = [
  // @ts-expect-error: no atsUrl
  <AtsWidget siteKey="cpk_1" />,
  // @ts-expect-error: no such network
  <AtsWidget siteKey="cpk_1" atsUrl="https://ats.example" network="tetsnet" />,
  // @ts-expect-error: a size is a number
  <AtsWidget siteKey="cpk_1" atsUrl="https://ats.example" maxFileSize="5 MB" />,
  // @ts-expect-error: the detail has no number
  <AtsWidget siteKey="cpk_1" atsUrl="https://ats.example" onComplete={(e) => e.detail.number} />,
  // @ts-expect-error: a session has a token or an error
  <AtsWidget siteKey="cpk_1" atsUrl="https://ats.example" getSession={() => ({ jwt: '' })} />,
  // @ts-expect-error: no such attribute of the element
  <ats-widget site-key="cpk_1" ats-url="https://ats.example" mode="upload" />,
  <ats-widget site-key="cpk_1" ats-url="https://ats.example" mode="update" max-file-size={5} />,
];
