//! The DevTools protocol over a pair of pipes: JSON messages, each ended by a zero byte.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::ChildStdin;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

/// A browser that has not answered by then hangs. Busy machines are slow, so it is long.
const PATIENCE: Duration = Duration::from_secs(60);

/// The connection to the browser, from all tabs.
pub(super) type SharedDevTools = Rc<RefCell<DevTools<ChildStdin>>>;

pub(super) struct DevTools<W> {
    write: W,
    messages: Receiver<Value>,
    sent: u64,
    /// What the browser has told besides, and nobody has asked for yet.
    events: Vec<Value>,
}

impl<W: Write> DevTools<W> {
    /// Over what is written to the browser, and what is read from it.
    pub(super) fn new(write: W, read: impl Read + Send + 'static) -> Self {
        let (tell, messages) = channel();
        thread::spawn(move || listen(read, &tell));
        Self { write, messages, sent: 0, events: vec![] }
    }

    /// Calls a method, in a session with a tab or (`null`) with the browser itself, and waits for its result.
    pub(super) fn call(&mut self, session: &Value, method: &str, params: Value) -> Result<Value> {
        self.sent += 1;
        let mut message = json!({"id": self.sent, "method": method, "params": params});
        if !session.is_null() {
            message["sessionId"] = session.clone();
        }
        self.write.write_all(format!("{message}\0").as_bytes()).context("the browser takes no messages")?;
        self.write.flush().context("the browser takes no messages")?;
        loop {
            let mut message = self.messages.recv_timeout(PATIENCE).with_context(|| format!("no answer to {method}"))?;
            if message["id"] == json!(self.sent) {
                if let Some(error) = message.get("error") {
                    bail!("{method}: {error}");
                }
                return Ok(message["result"].take());
            }
            self.events.push(message);
        }
    }

    /// The parameters of the events that came from a tab, of these methods, and forgets all of the tab.
    pub(super) fn take_events(&mut self, session: &Value, methods: &[&str]) -> Vec<Value> {
        let (own, others): (Vec<_>, _) =
            std::mem::take(&mut self.events).into_iter().partition(|event: &Value| event["sessionId"] == *session);
        self.events = others;
        let wanted = own.into_iter().filter(|event| methods.iter().any(|method| event["method"] == *method));
        wanted.map(|mut event| event["params"].take()).collect()
    }
}

/// Hands on what the browser says, until it says no more or nobody listens.
fn listen(read: impl Read, tell: &Sender<Value>) {
    for message in BufReader::new(read).split(0).map_while(Result::ok) {
        let Ok(message) = serde_json::from_slice(&message) else { return };
        if tell.send(message).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn a_call_returns_the_result_of_its_own_message() {
        let event = r#"{"method":"Page.loadEventFired","sessionId":"tab","params":{"timestamp":1}}"#;
        let said = format!("{event}\0{{\"id\":1,\"result\":{{\"a\":2}}}}\0");
        let mut written = vec![];
        let mut devtools = DevTools::new(&mut written, io::Cursor::new(said));
        assert_eq!(devtools.call(&json!("tab"), "Page.enable", json!({})).unwrap(), json!({"a": 2}));
        assert_eq!(devtools.take_events(&json!("tab"), &["Page.loadEventFired"]), [json!({"timestamp": 1})]);
        assert!(devtools.take_events(&json!("tab"), &["Page.loadEventFired"]).is_empty());
        drop(devtools);
        let message: Value = serde_json::from_slice(written.strip_suffix(b"\0").unwrap()).unwrap();
        assert_eq!(message, json!({"id": 1, "method": "Page.enable", "params": {}, "sessionId": "tab"}));
    }

    #[test]
    fn an_error_and_the_end_of_the_connection_are_errors() {
        let said = b"{\"id\":1,\"error\":{\"message\":\"unknown\"}}\0".as_slice();
        let mut devtools = DevTools::new(vec![], said);
        let error = devtools.call(&Value::Null, "No.such", json!({})).unwrap_err().to_string();
        assert!(error.contains("No.such") && error.contains("unknown"), "{error}");
        devtools.call(&Value::Null, "Page.enable", json!({})).unwrap_err();
    }
}
