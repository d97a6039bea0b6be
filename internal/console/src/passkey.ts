// Passkeys need a script: only a script can ask the browser for one. The form around the element with
// data-passkey carries the browser's answer, like any other form.

/** Shows the forms for passkeys where the browser knows passkeys, and asks for one before such a form is sent. */
export function passkeys(root: ParentNode): void {
  if (!('PublicKeyCredential' in window) || !PublicKeyCredential.parseRequestOptionsFromJSON) return;
  for (const box of root.querySelectorAll<HTMLElement>('[data-passkey]')) {
    const form = box.querySelector('form');
    const answer = form?.querySelector<HTMLInputElement>('input[name="answer"]');
    if (!form || !answer) continue;
    box.hidden = false;
    form.addEventListener('submit', (event) => {
      if (answer.value) return;
      event.preventDefault();
      void ask(box).then((credential) => {
        // A refused or cancelled question leaves the page as it is.
        if (!credential) return;
        answer.value = JSON.stringify(credential.toJSON());
        form.submit();
      });
    });
  }
}

async function ask(box: HTMLElement): Promise<PublicKeyCredential | null> {
  const options = JSON.parse(box.dataset.options ?? '{}') as never;
  try {
    return (await (box.dataset.passkey === 'create'
      ? navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) })
      : navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) }))) as PublicKeyCredential | null;
  } catch {
    return null;
  }
}
