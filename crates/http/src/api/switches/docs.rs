//! Documentation of the kill-switch endpoints.

use crate::api::switches::SwitchBody;
use crate::api::tags;
use crate::api::wire::ListBody;
use crate::openapi::doc::{Doc, Success, Tag};

const TAG: Tag = tags::KILL_SWITCHES;
const TURNED: Success = Success::ok::<ListBody<SwitchBody>>("All switches as they are now.");

pub(crate) fn list() -> Doc {
    Doc::new("listKillSwitches", TAG, "List the kill switches", Success::ok::<ListBody<SwitchBody>>("All switches."))
}

pub(crate) fn all_off() -> Doc {
    Doc::new("turnOffAllKillSwitches", TAG, "Turn all kill switches off", TURNED)
}

pub(crate) fn on() -> Doc {
    Doc::new("turnOnKillSwitch", TAG, "Turn a kill switch on", TURNED)
}

pub(crate) fn off() -> Doc {
    Doc::new("turnOffKillSwitch", TAG, "Turn a kill switch off", TURNED)
}
