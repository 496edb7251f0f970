// Passkeys: the browser's own dialogue between two requests of ours.
//
//   <form data-passkey="get|create" data-options="URL" data-answer="URL">   asks for one, or makes one; its hidden fields
//                                      and its name go along with the answer
//   [data-passkey-said] in it          where a refusal is said
//   [data-passkey-part]                hidden in a browser that knows no passkeys

const encode = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const decode = (text) =>
  Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));

// Not every browser has PublicKeyCredential.parse...FromJSON and toJSON yet.
function optionsOf(json) {
  const options = { ...json, challenge: decode(json.challenge) };
  const withBytes = (list) => list?.map((entry) => ({ ...entry, id: decode(entry.id) }));
  if (json.user) options.user = { ...json.user, id: decode(json.user.id) };
  if (json.excludeCredentials) options.excludeCredentials = withBytes(json.excludeCredentials);
  if (json.allowCredentials) options.allowCredentials = withBytes(json.allowCredentials);
  return options;
}

function answerOf(credential) {
  const { response } = credential;
  const said = { clientDataJSON: encode(response.clientDataJSON) };
  for (const name of ["attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (response[name]) said[name] = encode(response[name]);
  }
  if (response.getTransports) said.transports = response.getTransports();
  return {
    id: credential.id,
    rawId: encode(credential.rawId),
    type: credential.type,
    response: said,
    clientExtensionResults: credential.getClientExtensionResults(),
  };
}

async function post(form, url, body) {
  const answer = await fetch(url, {
    method: "POST",
    credentials: "same-origin",
    headers: { "Content-Type": "application/json", "X-CSRFToken": form.elements.csrfmiddlewaretoken.value },
    body: JSON.stringify(body),
  });
  const kind = answer.headers.get("Content-Type") ?? "";
  const said = kind.startsWith("application/json") ? await answer.json() : null;
  if (answer.ok && said) return said;
  if (said?.detail?.page) location.assign(said.detail.page);
  throw new Error(said?.message ?? "The portal did not understand this; load the page again and retry.");
}

// What the browser's dialogue ended with, in words; it tells no more than this, so that pages learn nothing.
const ENDINGS = {
  NotAllowedError: "No passkey was used: the browser's dialogue was closed, or took too long.",
  InvalidStateError: "This device holds a passkey for this account already.",
  SecurityError: "The browser allows no passkeys at this address.",
  NotSupportedError: "This device makes no passkeys that this portal can use.",
};

// Chromium opens no dialogue at a certificate that somebody only clicked away; the name of its error does not say so.
const UNTRUSTED = "The browser uses no passkeys here until it trusts the portal's certificate; /tls/ says how.";

function ending(error) {
  return /certificate/i.test(error.message) ? UNTRUSTED : (ENDINGS[error.name] ?? error.message);
}

async function run(form) {
  const { passkey, options, answer } = form.dataset;
  const publicKey = optionsOf(await post(form, options, {}));
  const credential = await navigator.credentials[passkey]({ publicKey });
  const { name, next } = form.elements;
  const said = await post(form, answer, { credential: answerOf(credential), name: name?.value, next: next?.value });
  location.assign(said.next);
}

async function begin(event) {
  const form = event.target.closest("form[data-passkey]");
  if (!form) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  const button = form.querySelector("button");
  const place = form.querySelector("[data-passkey-said]");
  if (button.getAttribute("aria-busy") === "true") return;
  place.textContent = "";
  button.setAttribute("aria-busy", "true");
  try {
    await run(form);
  } catch (error) {
    place.textContent = ending(error);
  } finally {
    button.removeAttribute("aria-busy");
  }
}

export function startPasskeys() {
  if (!window.PublicKeyCredential) {
    for (const part of document.querySelectorAll("[data-passkey-part]")) part.hidden = true;
    return;
  }
  document.addEventListener("submit", begin, true);
  // Until now they were disabled: sent without us, such a form would load the page anew and do nothing.
  for (const button of document.querySelectorAll("form[data-passkey] button")) button.disabled = false;
}
