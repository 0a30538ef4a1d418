//! The replicas, and the threads that show them tokens without a pause.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use super::ledger::{Ledger, Probe, REPLICAS, Target};
use super::token_checks::{ProbeResult, TokenCheck};
use thunderhead_system_tests::live::http::Client;
use thunderhead_system_tests::live::pause;
use thunderhead_system_tests::live::report::Violations;
use thunderhead_system_tests::live::site::Site;

/// Where tokens are made, shown and ended.
pub(super) struct StaleRun<'a> {
    pub(super) site: &'a Site,
    pub(super) addresses: [SocketAddr; REPLICAS],
    /// Of the services that ask a replica each.
    pub(super) guards: [SocketAddr; REPLICAS],
    /// A service that may ask whose token something is: its name and secret.
    pub(super) service: (&'a str, &'a str),
    /// Whether the replicas speak the Kratos dialect.
    pub(super) kratos: bool,
    pub(super) violations: &'a Violations,
    pub(super) ledger: Ledger,
    pub(super) names: &'a AtomicU32,
    shown: RwLock<Vec<Arc<Target>>>,
    over: AtomicBool,
}

/// Connections to a replica, and to the service that asks it.
pub(super) struct ProbeClients {
    replica: Client,
    guard: Client,
}

impl<'a> StaleRun<'a> {
    pub(super) fn new(
        site: &'a Site,
        addresses: [SocketAddr; REPLICAS],
        service: (&'a str, &'a str),
        violations: &'a Violations,
        names: &'a AtomicU32,
    ) -> Self {
        Self {
            site,
            addresses,
            guards: addresses,
            service,
            kratos: false,
            violations,
            ledger: Ledger::open(),
            names,
            shown: RwLock::default(),
            over: AtomicBool::new(false),
        }
    }

    /// Another name at every call.
    pub(super) fn name(&self) -> String {
        format!("u{}", self.names.fetch_add(1, Ordering::Relaxed))
    }

    /// Shows these from now on.
    pub(super) fn show(&self, targets: &[Arc<Target>]) {
        self.shown.write().unwrap_or_else(PoisonError::into_inner).extend_from_slice(targets);
    }

    /// Shows these no longer.
    pub(super) fn hide(&self, targets: &[Arc<Target>]) {
        let stays = |shown: &Arc<Target>| !targets.iter().any(|target| Arc::ptr_eq(target, shown));
        self.shown.write().unwrap_or_else(PoisonError::into_inner).retain(stays);
    }

    pub(super) fn end(&self) {
        self.over.store(true, Ordering::SeqCst);
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// Shows tokens to one replica, one after the other over one connection, until all is over.
    pub(super) fn probe_on(&self, replica: usize, first: usize) {
        let mut client = self.clients_of(replica);
        let mut log = vec![];
        let mut turn = first;
        while !self.is_over() {
            let target = {
                let shown = self.shown.read().unwrap_or_else(PoisonError::into_inner);
                shown.get(turn % shown.len().max(1)).map(Arc::clone)
            };
            turn += 1;
            match target {
                Some(target) => log.push(self.probe(&mut client, replica, &target)),
                None => pause(Duration::from_millis(1)),
            }
        }
        self.ledger.keep(log);
    }

    pub(super) fn clients_of(&self, replica: usize) -> ProbeClients {
        ProbeClients { replica: Client::new(self.addresses[replica]), guard: Client::new(self.guards[replica]) }
    }

    /// Shows a token to a replica once.
    pub(super) fn probe(&self, clients: &mut ProbeClients, replica: usize, target: &Target) -> Probe {
        let check: TokenCheck = target.next_check();
        let request = check.request(&target.token, &target.user, self.service);
        let client = if check == TokenCheck::Guard { &mut clients.guard } else { &mut clients.replica };
        let began = self.ledger.now();
        let answer = client.ask(&request);
        let result = check.result(&answer).unwrap_or_else(|wrong| {
            self.violations.add(format!("{check:?} at replica {replica}: {wrong}"));
            client.hang_up();
            ProbeResult::Lost
        });
        self.ledger.probe(target, replica, check, result, began)
    }
}
