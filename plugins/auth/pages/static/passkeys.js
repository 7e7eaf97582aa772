// Passkeys (WebAuthn): asks the browser for what the server wants, and sends the answer by an
// ordinary form. Forms: data-passkey is "get" or "create", data-options is where to ask.

const RENEWED = 240_000; // milliseconds; a challenge is good for five minutes

const bytes = (text) =>
  Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (each) => each.charCodeAt(0));

const text = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

function decoded(options) {
  const known = (list) => (list ?? []).map((each) => ({ ...each, id: bytes(each.id) }));
  options.challenge = bytes(options.challenge);
  if (options.user) options.user.id = bytes(options.user.id);
  if (options.allowCredentials) options.allowCredentials = known(options.allowCredentials);
  if (options.excludeCredentials) options.excludeCredentials = known(options.excludeCredentials);
  return options;
}

function encoded(credential) {
  const response = {};
  for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (credential.response[name]) response[name] = text(credential.response[name]);
  }
  const { id, type, authenticatorAttachment } = credential;
  const rawId = text(credential.rawId);
  return JSON.stringify({ id, rawId, type, authenticatorAttachment, response, clientExtensionResults: {} });
}

async function options(form) {
  const answer = await fetch(form.dataset.options, {
    method: "POST",
    body: new URLSearchParams(new FormData(form)),
    credentials: "same-origin",
    redirect: "error",
  });
  if (!answer.ok) throw new Error(`options: ${answer.status}`);
  return decoded(await answer.json());
}

let waiting; // the controller of the offer in the e-mail field

function send(form, credential) {
  form.elements.answer.value = encoded(credential);
  form.submit();
}

async function pressed(form) {
  const failed = form.querySelector("[role=alert]");
  failed.hidden = true;
  waiting?.abort();
  waiting = undefined;
  try {
    const publicKey = await options(form);
    const ask = form.dataset.passkey === "create" ? "create" : "get";
    send(form, await navigator.credentials[ask]({ publicKey }));
  } catch (error) {
    console.debug(error);
    failed.hidden = false;
  }
}

async function offer(form) {
  if (!(await window.PublicKeyCredential.isConditionalMediationAvailable?.())) return;
  for (;;) {
    const mine = (waiting = new AbortController());
    const timer = setTimeout(() => mine.abort("renewed"), RENEWED);
    try {
      const publicKey = await options(form);
      const asked = { publicKey, mediation: "conditional", signal: mine.signal };
      send(form, await navigator.credentials.get(asked));
      return;
    } catch (error) {
      if (waiting !== mine || mine.signal.reason !== "renewed") return;
    } finally {
      clearTimeout(timer);
    }
  }
}

if (window.PublicKeyCredential) {
  for (const form of document.querySelectorAll("form[data-passkey]")) {
    form.hidden = false;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      pressed(form);
    });
    if ("offered" in form.dataset) offer(form);
  }
}
