//! Bodies as types. A declaration with [`body!`] names each field once, in the order of the documentation, and yields
//! the struct, how it is read, and how it is documented. A body that was read is the struct; of one that was not, all
//! that is wrong is told at once (`docs/MODEL.md`, *Errors*).

use schemars::{Schema, SchemaGenerator};
use serde_json::Value;
use thunderhead_auth::settings::ScopedLifetimes;

use crate::request::body::{BodyError, BodySchema, Object};

/// Why there is no body of the type that its endpoint takes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Rejection {
    #[error("the body is too large")]
    TooLarge,
    /// Which is told before anything else.
    #[error("there are too many ids")]
    TooManyIds,
    /// What is absent, of the wrong type or has an unacceptable value, in the order of declaration.
    #[error("missing or unacceptable fields: {0:?}")]
    Fields(Vec<&'static str>),
}

/// The fields of a body that is being read. `null` counts as absent.
pub(crate) struct Fields {
    object: Object,
    unacceptable: Vec<&'static str>,
    notes: Notes,
}

/// What fields tell each other.
#[derive(Default)]
pub(crate) struct Notes {
    /// The user's own texts, which a new password must not be.
    pub(crate) personal: Vec<String>,
    pub(crate) too_many_ids: bool,
    /// How long scoped sessions may live.
    pub(crate) lifetimes: Option<ScopedLifetimes>,
    /// That a long life is asked for, and so no other.
    pub(crate) long_lived: bool,
}

/// A type that a body is read as.
pub(crate) trait RequestBody: Sized {
    /// Reads the fields in their order. `None` where one of them is unacceptable, which is noted.
    fn read(fields: &mut Fields) -> Option<Self>;

    fn schema(generator: &mut SchemaGenerator) -> BodySchema;
}

/// A type that a field is read as.
pub(crate) trait Field: Sized {
    /// What it is where it is left out; `None` where it must be there.
    fn absent() -> Option<Self> {
        None
    }

    /// Reads a value that is not null; `None` where it is unacceptable.
    fn read(value: Value, notes: &mut Notes) -> Option<Self>;

    fn schema(generator: &mut SchemaGenerator) -> Schema;
}

/// Declares a body: the struct, its [`RequestBody`], and the words and examples of its documentation, where it has the
/// struct's name. A field has its own name in JSON, or the one behind `as`; others that it may have instead follow behind
/// `or`, and the first that is there counts. Behind `=` is an example, where that of the type does not do.
macro_rules! body {
    ($(#[$meta:meta])* $visibility:vis struct $Body:ident {
        $($(#[doc = $text:literal])* $field:ident $(as $name:literal $(or $alias:literal)*)?: $Type:ty $(= $example:expr)?),*
        $(,)?
    }) => {
        $(#[$meta])*
        $visibility struct $Body {
            $($(#[doc = $text])* $visibility $field: $Type),*
        }

        impl $crate::request::body::RequestBody for $Body {
            fn read(fields: &mut $crate::request::body::Fields) -> Option<Self> {
                $(let $field = fields.take($crate::request::body::body!(@names $field $($name $($alias)*)?));)*
                Some(Self { $($field: $field?),* })
            }

            fn schema(generator: &mut schemars::SchemaGenerator) -> $crate::request::body::BodySchema {
                let mut schema = $crate::request::body::BodySchema::named(stringify!($Body));
                $(
                    let [name, ..] = $crate::request::body::body!(@names $field $($name $($alias)*)?);
                    let example: &[serde_json::Value] = &[$(serde_json::json!($example))?];
                    let field = <$Type as $crate::request::body::Field>::schema(generator);
                    let required = <$Type as $crate::request::body::Field>::absent().is_none();
                    schema.declare(name, field, required, concat!($($text),*), example);
                )*
                schema
            }
        }
    };
    (@names $field:ident) => { &[stringify!($field)] };
    (@names $field:ident $($name:literal)+) => { &[$($name),+] };
}
pub(crate) use body;

impl Fields {
    pub(crate) fn new(object: Object) -> Self {
        Self { object, unacceptable: Vec::new(), notes: Notes::default() }
    }

    /// The fields of a body. One that is no object has none, so that the error names those that it should have.
    pub(crate) fn of_body(body: Result<Object, BodyError>) -> Result<Self, BodyError> {
        match body {
            Ok(object) => Ok(Self::new(object)),
            Err(BodyError::NotAnObject) => Ok(Self::new(Object::new())),
            Err(BodyError::TooLarge) => Err(BodyError::TooLarge),
        }
    }

    /// The same for a user whose own texts these are.
    pub(crate) fn of_user(mut self, personal: Vec<String>) -> Self {
        self.notes.personal = personal;
        self
    }

    /// The same for a session that may live as long as this.
    pub(crate) fn of_session(mut self, lifetimes: ScopedLifetimes) -> Self {
        self.notes.lifetimes = Some(lifetimes);
        self
    }

    /// Whether a field is there, whatever its type.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.object.get(name).is_some_and(|value| !value.is_null())
    }

    /// A field that is a text, looked at without being read.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.object.get(name).and_then(Value::as_str)
    }

    /// Takes a field, under the first of these names that is there. Where it is unacceptable, the first name is noted.
    pub(crate) fn take<T: Field>(&mut self, names: &[&'static str]) -> Option<T> {
        let value = names.iter().find_map(|name| self.object.remove(*name).filter(|value| !value.is_null()));
        let field = value.map_or_else(T::absent, |value| T::read(value, &mut self.notes));
        if field.is_none() {
            self.unacceptable.extend(names.first());
        }
        field
    }

    /// Reads the body, or tells all that is wrong with it.
    pub(crate) fn read<T: RequestBody>(mut self) -> Result<T, Rejection> {
        let body = T::read(&mut self);
        self.finish(body)
    }

    /// The end of reading.
    pub(crate) fn finish<T>(self, body: Option<T>) -> Result<T, Rejection> {
        if self.notes.too_many_ids {
            return Err(Rejection::TooManyIds);
        }
        body.ok_or(Rejection::Fields(self.unacceptable))
    }
}

impl From<BodyError> for Rejection {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge => Self::TooLarge,
            BodyError::NotAnObject => Self::Fields(Vec::new()),
        }
    }
}

/// A call that takes no body of its own.
impl RequestBody for () {
    fn read(_: &mut Fields) -> Option<Self> {
        Some(())
    }

    fn schema(_: &mut SchemaGenerator) -> BodySchema {
        BodySchema::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::request::body::integer;

    crate::request::body::body! {
        #[derive(Debug, PartialEq, Eq)]
        struct Everything {
            name: String,
            flags as "permissionFlags": Sum,
            long_lived as "longLived": bool,
            password: String,
            answer as "2fa": Option<Object>,
            user as "user" or "username": Option<String>,
        }
    }

    #[derive(Debug, PartialEq, Eq)]
    struct Sum(i64);

    impl Field for Sum {
        fn read(value: Value, _: &mut Notes) -> Option<Self> {
            integer(&value).map(Self)
        }

        fn schema(_: &mut SchemaGenerator) -> Schema {
            schemars::json_schema!({"type": "integer"})
        }
    }

    crate::request::body::body! {
        #[derive(Debug, PartialEq, Eq)]
        struct Named {
            name as "user" or "username": String,
        }
    }

    fn fields(value: Value) -> Fields {
        let Value::Object(object) = value else { panic!("not an object: {value}") };
        Fields::new(object)
    }

    fn missing<T: RequestBody>(read: Result<T, Rejection>) -> Option<Vec<&'static str>> {
        match read {
            Ok(_) => None,
            Err(Rejection::Fields(fields)) => Some(fields),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn what_is_there_is_read() {
        let body = json!({
            "name": "", "permissionFlags": 4.0, "longLived": true, "password": "x", "2fa": {"token": "x"}, "other": 1,
        });
        let read: Everything = fields(body).read().unwrap();
        assert_eq!((read.name.as_str(), read.flags, read.long_lived), ("", Sum(4), true));
        assert_eq!((read.password.as_str(), &read.answer.unwrap()["token"], read.user), ("x", &json!("x"), None));
    }

    #[test]
    fn of_several_spellings_the_first_that_is_there_counts_and_the_first_is_told() {
        let read = |value| fields(value).read::<Named>();
        for body in [json!({"user": "ada", "username": "bob"}), json!({"user": null, "username": "ada"})] {
            assert_eq!(read(body), Ok(Named { name: "ada".to_owned() }));
        }
        for wrong in [json!({}), json!({"user": 1, "username": "bob"}), json!({"username": []})] {
            assert_eq!(missing(read(wrong)), Some(vec!["user"]));
        }
    }

    #[test]
    fn all_problems_are_told_at_once_in_the_order_of_declaration() {
        let body = json!({
            "2fa": [], "password": null, "longLived": "true", "permissionFlags": "4", "name": 5, "username": {},
        });
        let told = missing(fields(body).read::<Everything>());
        assert_eq!(told, Some(vec!["name", "permissionFlags", "longLived", "password", "2fa", "user"]));
    }

    #[test]
    fn a_body_that_is_no_object_lacks_every_required_field() {
        let fields = Fields::of_body(Err(BodyError::NotAnObject)).unwrap();
        assert_eq!(missing(fields.read::<Everything>()), Some(vec!["name", "permissionFlags", "password"]));
        assert_eq!(Fields::of_body(Err(BodyError::TooLarge)).err(), Some(BodyError::TooLarge));
    }

    #[test]
    fn null_is_absent_and_a_text_may_hold_any_character() {
        let body = json!({"longLived": null, "2fa": null, "name": "x\0", "permissionFlags": null, "password": ""});
        let fields = fields(body);
        assert!(!fields.has("2fa") && fields.has("name") && !fields.has("d"));
        assert_eq!((fields.text("name"), fields.text("longLived")), (Some("x\0"), None));
        assert_eq!(missing(fields.read::<Everything>()), Some(vec!["permissionFlags"]));
    }

    #[test]
    fn a_body_is_documented_as_it_is_read() {
        let mut generator = SchemaGenerator::default();
        let body = <()>::schema(&mut generator).and(&Everything::schema(&mut generator));
        assert_eq!(body.schema(&mut generator), json!({"$ref": "#/$defs/Everything"}));
        let schema = &generator.definitions()["Everything"];
        assert_eq!(schema["required"], json!(["name", "permissionFlags", "password"]));
        assert_eq!(schema["additionalProperties"], false);
        assert_eq!(schema["properties"]["longLived"]["type"], "boolean");
        assert_eq!(schema["properties"]["2fa"]["type"], "object");
        assert_eq!(schema["properties"]["user"]["type"], "string");
        assert!(schema["properties"].get("username").is_none());
    }

    #[test]
    fn alternatives_are_shapes_with_a_name_each() {
        let mut generator = SchemaGenerator::default();
        let proof = Named::schema(&mut generator).or(BodySchema::named("Nothing"));
        let alone = <()>::schema(&mut generator).and(&proof);
        let shapes = json!([{"$ref": "#/$defs/Named"}, {"$ref": "#/$defs/Nothing"}]);
        assert_eq!(alone.schema(&mut generator)["oneOf"], shapes);
        let body = Everything::schema(&mut generator).and(&proof);
        assert_eq!(body.missing(), ["name", "permissionFlags", "password", "user"]);
        let shapes = json!([{"$ref": "#/$defs/EverythingWithNamed"}, {"$ref": "#/$defs/Everything"}]);
        assert_eq!(body.schema(&mut generator)["oneOf"], shapes);
        let either = Everything::schema(&mut generator).either(&[("2fa", "One"), ("user", "Other")]);
        let [one, other] = either.inline_schema()["oneOf"].as_array().unwrap().clone().try_into().unwrap();
        assert_eq!(one["required"], json!(["name", "permissionFlags", "password", "2fa"]));
        assert_eq!(other["required"], json!(["name", "permissionFlags", "password", "user"]));
        assert!(one["properties"].get("user").is_none() && other["properties"].get("2fa").is_none());
    }
}
