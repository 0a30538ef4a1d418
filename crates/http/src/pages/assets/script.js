// What the pages do better with a script: times in local time, buttons that copy, and security keys, which need one.
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

  // A form with data-webauthn (get or create) and data-options sends what the key says in its field "response".
  for (const form of document.querySelectorAll("form[data-webauthn]")) {
    const says = form.querySelector("[role=status]");
    form.addEventListener("submit", async (event) => {
      if (form.elements.response.value) return;
      event.preventDefault();
      if (!window.PublicKeyCredential) {
        says.textContent = "This browser has no support for security keys.";
        return;
      }
      const kind = form.dataset.webauthn;
      says.textContent = "Touch your security key.";
      try {
        const publicKey = asked[kind](JSON.parse(form.dataset.options));
        const credential = await navigator.credentials[kind]({ publicKey });
        form.elements.response.value = JSON.stringify(answered(credential));
        form.submit();
      } catch (error) {
        says.textContent = error.name === "InvalidStateError"
          ? "This security key is registered already."
          : "The security key gave no answer. Try again.";
      }
    });
  }
})();
