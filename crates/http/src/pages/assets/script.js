// What the pages do better with a script: times in local time, buttons that copy, and security keys and passkeys, which
// need one.
"use strict";
(() => {
  document.documentElement.classList.add("js");

  const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });
  for (const time of document.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (!Number.isNaN(at.getTime())) time.title = exact.format(at);
  }

  for (const button of document.querySelectorAll("button[data-copy]")) {
    button.addEventListener("click", async () => {
      const text = document.getElementById(button.dataset.copy).textContent.trim();
      try {
        await navigator.clipboard.writeText(text);
        button.textContent = "Copied";
      } catch {
        button.textContent = "Select the text and copy it";
      }
    });
  }

  for (const button of document.querySelectorAll("button[data-print]")) {
    button.addEventListener("click", () => window.print());
  }

  const bytes = (text) => {
    const base64 = text.replaceAll("-", "+").replaceAll("_", "/");
    return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  };
  const text = (buffer) => {
    const characters = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join("");
    return btoa(characters).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
  };
  const known = (list) => (list || []).map((credential) => ({ ...credential, id: bytes(credential.id) }));

  // The forms of WebAuthn (section 5.1, JSON), for browsers that do not have them yet.
  const asked = {
    get: (options) => ({
      ...options,
      challenge: bytes(options.challenge),
      allowCredentials: known(options.allowCredentials),
    }),
    create: (options) => ({
      ...options,
      challenge: bytes(options.challenge),
      user: { ...options.user, id: bytes(options.user.id) },
      excludeCredentials: known(options.excludeCredentials),
    }),
  };
  const answered = (credential) => {
    const response = { clientDataJSON: text(credential.response.clientDataJSON) };
    for (const name of ["attestationObject", "authenticatorData", "signature", "userHandle"]) {
      if (credential.response[name]) response[name] = text(credential.response[name]);
    }
    if (credential.response.getTransports) response.transports = credential.response.getTransports();
    return {
      id: credential.id,
      rawId: text(credential.rawId),
      type: credential.type,
      authenticatorAttachment: credential.authenticatorAttachment || undefined,
      clientExtensionResults: credential.getClientExtensionResults(),
      response,
    };
  };

  // A form with data-webauthn (get or create) and data-options sends what the key says in its field for the response.
  for (const form of document.querySelectorAll("form[data-webauthn]")) {
    const says = form.querySelector("[role=status]");
    const response = form.elements.response || form.elements["passkey-response"];
    form.addEventListener("submit", async (event) => {
      if (response.value) return;
      event.preventDefault();
      if (!window.PublicKeyCredential) {
        says.textContent = "This browser has no support for security keys.";
        return;
      }
      const kind = form.dataset.webauthn;
      says.textContent = form.dataset.asks || "Touch your security key.";
      try {
        const publicKey = asked[kind](JSON.parse(form.dataset.options));
        const credential = await navigator.credentials[kind]({ publicKey });
        response.value = JSON.stringify(answered(credential));
        form.submit();
      } catch (error) {
        says.textContent = error.name === "InvalidStateError"
          ? "It is registered already."
          : "There was no answer. Try again.";
      }
    });
  }

  // A form with data-passkey signs in by a passkey: by one that the browser fills in, or by the form's button. A challenge
  // is good for data-seconds; whoever looks at the page for longer gets another.
  for (const form of document.querySelectorAll("form[data-passkey]")) {
    const says = form.querySelector("[role=status]");
    const lasts = (Number(form.dataset.seconds) - 30) * 1000;
    let challenged = Date.now();
    let waiting = null;
    const renew = async () => {
      const page = await (await fetch(location.href, { credentials: "same-origin" })).text();
      const fresh = new DOMParser().parseFromString(page, "text/html").querySelector("form[data-passkey]");
      if (!fresh) return;
      form.dataset.passkey = fresh.dataset.passkey;
      form.elements["passkey-token"].value = fresh.elements["passkey-token"].value;
      challenged = Date.now();
    };
    const ask = async (mediation) => {
      if (waiting) waiting.abort();
      waiting = new AbortController();
      const { signal } = waiting;
      try {
        if (Date.now() - challenged > lasts) await renew();
        const publicKey = asked.get(JSON.parse(form.dataset.passkey));
        const credential = await navigator.credentials.get({ publicKey, mediation, signal });
        form.elements["passkey-response"].value = JSON.stringify(answered(credential));
        form.submit();
      } catch {
        if (signal.aborted || mediation === "conditional") return;
        says.textContent = "There was no answer. Try again, or sign in with your password.";
        fillIn();
      }
    };
    const fillIn = async () => {
      const key = window.PublicKeyCredential;
      if (!key || !key.isConditionalMediationAvailable || !(await key.isConditionalMediationAvailable())) return;
      ask("conditional");
      setTimeout(() => { if (Date.now() - challenged > lasts) ask("conditional"); }, lasts + 1000);
    };
    form.querySelector("button[data-use-passkey]").addEventListener("click", () => {
      if (window.PublicKeyCredential) {
        says.textContent = "";
        ask("optional");
      } else {
        says.textContent = "This browser has no support for passkeys.";
      }
    });
    fillIn();
  }

  // What there is of keys, for browsers that then no longer offer those that were removed.
  for (const place of document.querySelectorAll("[data-known-keys]")) {
    const { rpId, userId, name, displayName, allAcceptedCredentialIds } = JSON.parse(place.dataset.knownKeys);
    const tell = (signal, known) => {
      const told = window.PublicKeyCredential && PublicKeyCredential[signal];
      if (told) told.call(PublicKeyCredential, known).catch(() => {});
    };
    tell("signalAllAcceptedCredentials", { rpId, userId, allAcceptedCredentialIds });
    tell("signalCurrentUserDetails", { rpId, userId, name, displayName });
  }
})();
