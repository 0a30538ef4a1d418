//! What was measured, as a table, and whether it is within the bounds.

use anyhow::{Result, bail};

use super::MOST;

/// Packets that may take as long to receive as one hash.
const PIECES: usize = 500;

/// What one endpoint costs one kind of caller.
pub(super) struct CostRow {
    pub(super) endpoint: String,
    pub(super) caller: &'static str,
    ordinary: Option<f64>,
    usual_status: Option<u16>,
    pub(super) worst: f64,
    pub(super) input: String,
    status: u16,
    /// Of inputs that have a password in another form than NFC.
    two_forms: bool,
    /// In how many pieces the request came, where that is what costs.
    pub(super) pieces: usize,
    /// A hash at the same time; 0 where none was measured.
    pub(super) hash: f64,
    pub(super) is_bounded: bool,
}

impl CostRow {
    pub(super) fn new(endpoint: String, caller: &'static str) -> Self {
        Self {
            endpoint,
            caller,
            ordinary: None,
            usual_status: None,
            worst: 0.0,
            input: String::new(),
            status: 0,
            two_forms: false,
            pieces: 1,
            hash: 0.0,
            is_bounded: true,
        }
    }

    /// The same for inputs that have a password in another form than NFC.
    pub(super) fn of_two_forms(&self) -> Self {
        let (ordinary, usual_status) = (self.ordinary, self.usual_status);
        Self { ordinary, usual_status, two_forms: true, ..Self::new(self.endpoint.clone(), self.caller) }
    }

    /// Adds an input; the first one is the ordinary one.
    pub(super) fn take(&mut self, input: &str, millis: f64, status: u16) {
        self.ordinary.get_or_insert(millis);
        self.usual_status.get_or_insert(status);
        if millis > self.worst {
            (self.worst, self.input, self.status) = (millis, input.to_owned(), status);
        }
    }

    /// The worst one once more: the least counts.
    pub(super) fn doubt(&mut self, millis: f64, status: u16) {
        if status == self.status {
            self.worst = self.worst.min(millis);
        }
    }

    /// Hashes that the request is for: whoever sets a new password proves the old one, and a wrong password in another
    /// form than NFC is tried in both, because it may be that of a hash from before there was a form. What comes in
    /// thousands of packets costs what it takes to receive them.
    fn hashes(&self) -> f64 {
        if self.pieces > PIECES {
            return self.pieces as f64 / PIECES as f64;
        }
        let proves = self.caller == "user" && self.endpoint.ends_with(" /api/users/me/password");
        if proves || self.two_forms { 2.0 } else { 1.0 }
    }

    pub(super) fn cells(&self, hash: f64) -> [String; 7] {
        [
            self.endpoint.clone(),
            self.caller.to_owned(),
            format!("{:.2}", self.ordinary.unwrap_or(0.0)),
            format!("{:.2}", self.worst),
            format!("{:.2}", self.ratio(hash)),
            self.status.to_string(),
            self.input.clone(),
        ]
    }

    /// The status of the ordinary request, once it was asked.
    pub(super) const fn usual_status(&self) -> Option<u16> {
        self.usual_status
    }

    pub(super) fn is_too_dear(&self, hash: f64) -> bool {
        self.is_bounded && self.ratio(hash) > MOST * self.hashes()
    }

    fn ratio(&self, hash: f64) -> f64 {
        self.worst / if self.hash > 0.0 { self.hash } else { hash }
    }
}

pub(super) struct Summary {
    hashes: Vec<f64>,
    rows: Vec<CostRow>,
}

impl Summary {
    pub(super) fn new(hash: f64) -> Self {
        Self { hashes: vec![hash], rows: vec![] }
    }

    pub(super) fn hashed(&mut self, millis: f64) {
        self.hashes.push(millis);
    }

    pub(super) fn extend(&mut self, rows: Vec<CostRow>) {
        self.rows.extend(rows);
    }

    /// Prints everything, the dearest first, and fails where something costs too much.
    pub(super) fn finish(mut self) -> Result<()> {
        self.hashes.sort_by(f64::total_cmp);
        let hash = self.hashes.get(self.hashes.len() / 2).copied().unwrap_or(f64::NAN);
        self.rows.sort_by(|left, right| right.ratio(hash).total_cmp(&left.ratio(hash)));
        let heads = ["endpoint", "caller", "usual ms", "worst ms", "÷ hash", "status", "the input that makes it"];
        println!("One hash (Argon2id, 19456 KiB, 2 passes): {hash:.2} ms of processor time.\n");
        println!("| {} |\n|{}", heads.join(" | "), "---|".repeat(heads.len()));
        for row in &self.rows {
            println!("| {} |", row.cells(hash).join(" | "));
        }
        let dear: Vec<_> = self.rows.iter().filter(|row| row.is_too_dear(hash)).collect();
        if dear.is_empty() {
            println!("\nNothing costs more than {MOST} times the hashes that it is for.");
            return Ok(());
        }
        let named: Vec<_> =
            dear.iter().map(|row| format!("{} ({}, {})", row.endpoint, row.caller, row.input)).collect();
        bail!("more than {MOST} times the hashes that it is for: {}", named.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_input_is_checked_by_a_hash_of_its_time() {
        let mut row = CostRow::new("GET /api".to_owned(), "user");
        row.take("as usual", 1.0, 200);
        row.take("much", 31.0, 400);
        row.take("less", 2.0, 400);
        assert_eq!((row.input.as_str(), row.status, row.is_too_dear(20.0)), ("much", 400, true));
        row.hash = 25.0;
        assert!(!row.is_too_dear(20.0));
        row.doubt(1.0, 429);
        assert_eq!(row.worst, 31.0);
        row.doubt(26.0, 400);
        assert_eq!(row.worst, 26.0);
    }

    #[test]
    fn a_new_password_is_set_after_the_old_one_was_proved() {
        let mut row = CostRow::new("PUT /api/users/me/password".to_owned(), "user");
        row.take("as usual", 42.0, 200);
        assert!(!row.is_too_dear(20.0) && row.is_too_dear(10.0));
        let mut row = CostRow::new("POST /api/login".to_owned(), "anonymous").of_two_forms();
        row.take("marks", 42.0, 404);
        assert!(!row.is_too_dear(20.0) && row.is_too_dear(10.0));
        row.is_bounded = false;
        assert!(!row.is_too_dear(10.0));
    }
}
