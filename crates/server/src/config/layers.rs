//! The sources of settings laid over each other, and read key by key. Figment merges them and caches which
//! of them each value came from.

use std::ffi::OsString;
use std::path::PathBuf;

use figment::providers::{Format, Toml};
use figment::util::nest;
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};

use super::kubernetes::is_of_a_service;
use super::show::{PREFIX, Setting, SettingText, ValueSource};
use super::{ConfigError, Problem};

/// Tells the tests where Postgres is; no setting of the server.
const OF_THE_TESTS: &str = "THUNDERHEAD_TEST_POSTGRES";

/// All that is laid over the defaults, weakest first.
#[derive(Default)]
pub struct Sources {
    /// The configuration file, if there is one.
    pub file: Option<File>,
    /// The environment; what does not begin with `THUNDERHEAD_` is left alone.
    pub environment: Vec<(OsString, OsString)>,
    /// The flags that are settings.
    pub flags: Vec<Flag>,
}

/// A configuration file that has been read.
pub struct File {
    /// Where it is.
    pub path: PathBuf,
    /// What it holds.
    pub text: String,
}

/// A flag that is a setting.
pub struct Flag {
    /// As it is typed: `--listen`.
    pub name: &'static str,
    /// The key it sets.
    pub key: &'static str,
    /// The value.
    pub value: String,
}

/// What one source sets.
struct Layer {
    origin: ValueSource,
    values: Dict,
}

impl Layer {
    /// A single value. Its type is text, whatever it looks like: a key of 64 digits is no number.
    fn single(origin: ValueSource, key: &str, value: &str) -> Self {
        let values = nest(key, Value::from(value)).into_dict().unwrap_or_default();
        Self { origin, values }
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.origin.to_string())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(self.values.clone()))
    }
}

/// Reads settings by their keys, notes what holds in the end, and gathers everything that is wrong.
pub(super) struct Reader {
    figment: Figment,
    merged: Value,
    /// Where values can come from.
    origins: Vec<ValueSource>,
    /// What has been read. A key that is not among them in the end is unknown.
    settings: Vec<Setting>,
    problems: Vec<Problem>,
    passed_over: Vec<String>,
}

impl Reader {
    /// Lays the sources over each other.
    ///
    /// # Errors
    /// Where the file is not TOML: nothing can be said of the rest then.
    pub(super) fn new(sources: &Sources) -> Result<Self, ConfigError> {
        let mut problems = vec![];
        let mut layers = vec![];
        layers.extend(sources.file.as_ref().map(file_layer).transpose()?);
        let mut passed_over = vec![];
        // An empty variable is one that is not set: deployment tools can often not leave one out.
        let is_ours = |name: &OsString| name.as_encoded_bytes().starts_with(PREFIX.as_bytes()) && name != OF_THE_TESTS;
        let ours = sources.environment.iter().filter(|(name, value)| is_ours(name) && !value.is_empty());
        for (name, value) in ours {
            if let Some(name) = of_a_service(name, value) {
                passed_over.push(name.to_owned());
                continue;
            }
            match environment_layer(name, value) {
                Ok(layer) => layers.push(layer),
                Err(problem) => problems.push(problem),
            }
        }
        let flag_layer = |flag: &Flag| Layer::single(ValueSource::Flag(flag.name), flag.key, &flag.value);
        layers.extend(sources.flags.iter().map(flag_layer));
        let origins = layers.iter().map(|layer| layer.origin.clone()).collect();
        let figment = layers.into_iter().fold(Figment::new(), Figment::merge);
        let merged = figment.find_value("").map_err(|error| {
            ConfigError(vec![Problem {
                key: String::new(),
                origin: "the settings".to_owned(),
                message: error.to_string(),
            }])
        })?;
        Ok(Self { figment, merged, origins, settings: vec![], problems, passed_over })
    }

    /// The variables that begin as ours do, and were set by Kubernetes for a Service.
    pub(super) fn passed_over(&mut self) -> Vec<String> {
        std::mem::take(&mut self.passed_over)
    }

    /// The value of a key: the default where it is not set. It is the default too where what is set is impossible,
    /// so that the other keys can be looked at; the settings as a whole are thrown away then.
    pub(super) fn read<T: SettingText>(&mut self, key: &'static str, default: T, parse: impl Parse<T>) -> T {
        let value = self.given(key, parse).unwrap_or(default);
        self.note(key, Some(value.shown()));
        value
    }

    /// The value of a key that has no default.
    pub(super) fn read_optional<T: SettingText>(&mut self, key: &'static str, parse: impl Parse<T>) -> Option<T> {
        let value = self.given(key, parse);
        self.note(key, value.as_ref().map(SettingText::shown));
        value
    }

    /// Says what stands in for a key that has no default and is not set.
    pub(super) fn stands_in(&mut self, key: &str, value: String) {
        let unset = self.settings.iter_mut().filter(|setting| setting.key == key && setting.value.is_none());
        unset.for_each(|setting| setting.value = Some(value.clone()));
    }

    /// Says that a key has its default because this program was built without what it sets.
    pub(super) fn comes_of_the_build(&mut self, key: &str) {
        let unset = self.settings.iter_mut().filter(|s| s.key == key && s.origin == ValueSource::Default);
        unset.for_each(|setting| setting.origin = ValueSource::Build);
    }

    fn given<T>(&mut self, key: &'static str, parse: impl Parse<T>) -> Option<T> {
        match parse(self.merged.find_ref(key)?) {
            Ok(value) => Some(value),
            Err(message) => {
                self.refuse(key, &message);
                None
            }
        }
    }

    fn note(&mut self, key: &'static str, value: Option<String>) {
        self.settings.push(Setting { key, value, origin: self.origin_of(key) });
    }

    /// Notes that a value is impossible.
    pub(super) fn refuse(&mut self, key: &str, message: &str) {
        let origin = self.origin_of(key).to_string();
        self.problems.push(Problem { key: key.to_owned(), origin, message: message.to_owned() });
    }

    /// What holds, or everything that is wrong. Every key must have been read before.
    ///
    /// # Errors
    /// Impossible values, and keys that nobody has read.
    pub(super) fn finish(mut self) -> Result<Vec<Setting>, ConfigError> {
        let mut unknown = vec![];
        self.unknown(String::new(), &self.merged, &mut unknown);
        self.problems.extend(unknown);
        if self.problems.is_empty() { Ok(self.settings) } else { Err(ConfigError(self.problems)) }
    }

    fn unknown(&self, path: String, value: &Value, problems: &mut Vec<Problem>) {
        if self.settings.iter().any(|setting| setting.key == path) {
            return;
        }
        let begins = |key: &str| key.strip_prefix(path.as_str()).is_some_and(|rest| rest.starts_with('.'));
        let is_section = path.is_empty() || self.settings.iter().any(|setting| begins(setting.key));
        match value.as_dict() {
            Some(values) if is_section || !values.is_empty() => {
                for (name, value) in values {
                    let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    self.unknown(path, value, problems);
                }
            }
            _ => {
                let message = if is_section { "this is a section and has no value itself" } else { "unknown setting" };
                problems.push(Problem {
                    key: path,
                    origin: self.origin(value).to_string(),
                    message: message.to_owned(),
                });
            }
        }
    }

    fn origin_of(&self, key: &str) -> ValueSource {
        self.merged.find_ref(key).map_or(ValueSource::Default, |value| self.origin(value))
    }

    fn origin(&self, value: &Value) -> ValueSource {
        let name = self.figment.get_metadata(value.tag()).map(|layer| layer.name.as_ref());
        let found = self.origins.iter().find(|origin| name == Some(origin.to_string().as_str()));
        found.cloned().unwrap_or(ValueSource::Default)
    }
}

/// From what a source holds to what it means.
pub(super) trait Parse<T>: FnOnce(&Value) -> Result<T, String> {}

impl<T, F: FnOnce(&Value) -> Result<T, String>> Parse<T> for F {}

fn file_layer(file: &File) -> Result<Layer, ConfigError> {
    let origin = ValueSource::File(file.path.display().to_string());
    match Toml::from_str::<Dict>(&file.text) {
        Ok(values) => Ok(Layer { origin, values }),
        Err(error) => {
            let message = without_excerpt(&error.to_string());
            Err(ConfigError(vec![Problem { key: String::new(), origin: origin.to_string(), message }]))
        }
    }
}

/// An error of the TOML parser on one line, without the excerpt of the file: it may show a secret.
fn without_excerpt(error: &str) -> String {
    let is_excerpt =
        |line: &&str| line.trim_start_matches([' ', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9']).starts_with('|');
    let words: Vec<&str> = error.lines().filter(|line| !is_excerpt(line)).map(str::trim).collect();
    words.join(": ")
}

/// The name of a variable that Kubernetes has set.
fn of_a_service<'a>(name: &'a OsString, value: &OsString) -> Option<&'a str> {
    let name = name.to_str()?;
    is_of_a_service(name.strip_prefix(PREFIX)?, value.to_str()?).then_some(name)
}

fn environment_layer(name: &OsString, value: &OsString) -> Result<Layer, Problem> {
    let shown = name.to_string_lossy();
    let origin = ValueSource::Variable(shown.clone().into_owned());
    let key = shown.strip_prefix(PREFIX).unwrap_or_default().to_ascii_lowercase().replace("__", ".");
    let problem = |message: &str| Problem { key: key.clone(), origin: origin.to_string(), message: message.to_owned() };
    if key.split('.').any(str::is_empty) {
        return Err(problem("unknown setting"));
    }
    let value = value.to_str().ok_or_else(|| problem("the value is not UTF-8"))?;
    Ok(Layer::single(origin.clone(), &key, value))
}
