//! What to type in a shell to call an endpoint.

use serde_json::Value;

use crate::openapi::page::{array, object, resolved, schema, string};

/// Beyond this many characters every option has a line of its own.
const WIDTH: usize = 90;

/// One call for each example of the body; of an endpoint without a body, one.
pub(crate) fn calls(method: &str, path: &str, operation: &Value, document: &Value) -> Vec<String> {
    let contents = &resolved(&operation["requestBody"], document)["content"];
    let (content, form) = (&contents["application/json"], &contents["application/x-www-form-urlencoded"]["example"]);
    let named = object(&content["examples"]).values().map(|example| &example["value"]);
    let bodies: Vec<_> = [&content["example"]].into_iter().chain(named).filter(|body| !body.is_null()).collect();
    let call = |body: Option<&Value>| call(method, &url(path, operation, document), operation, body, document);
    if bodies.is_empty() {
        let fields = object(form).iter().map(|(name, value)| format!(" -d '{name}={}'", schema::plain(value)));
        return vec![call(None) + &fields.collect::<String>()];
    }
    bodies.into_iter().map(|body| call(Some(body))).collect()
}

fn call(method: &str, url: &str, operation: &Value, body: Option<&Value>, document: &Value) -> String {
    let mut words = vec![match (method, body) {
        ("GET", None) | ("POST", Some(_)) => format!("curl \"{url}\""),
        _ => format!("curl -X {method} \"{url}\""),
    }];
    words.extend(credential(operation, document));
    if let Some(body) = body {
        let body = serde_json::to_string_pretty(body).unwrap_or_default().replace('\'', r"'\''");
        words.push("-H 'Content-Type: application/json'".to_owned());
        words.push(format!("-d '{}'", body.replace('\n', "\n  ")));
    }
    let length: usize = words.iter().map(|word| word.len() + 1).sum();
    words.join(if body.is_some() || length > WIDTH { " \\\n  " } else { " " })
}

/// The path with examples in it, and the part of the query that is needed.
fn url(path: &str, operation: &Value, document: &Value) -> String {
    let mut url = format!("$SERVER{path}");
    let mut separator = '?';
    for parameter in array(&operation["parameters"]).iter().map(|parameter| resolved(parameter, document)) {
        let (name, example) = (string(&parameter["name"]), example(parameter));
        match string(&parameter["in"]) {
            "path" => url = url.replace(&format!("{{{name}}}"), &example),
            "query" if parameter["required"] == true => {
                url += &format!("{separator}{name}={example}");
                separator = '&';
            }
            _ => {}
        }
    }
    url
}

fn example(parameter: &Value) -> String {
    let schema = &parameter["schema"];
    let examples = [&parameter["example"], &schema["example"], &schema["examples"][0]];
    examples.into_iter().find(|example| !example.is_null()).map_or_else(|| "…".to_owned(), schema::plain)
}

/// The first way to show a token that the endpoint takes.
fn credential(operation: &Value, document: &Value) -> Option<String> {
    let name = array(&operation["security"]).iter().find_map(|way| object(way).keys().next())?;
    let scheme = &document["components"]["securitySchemes"][name];
    let name = string(&scheme["name"]);
    Some(match (string(&scheme["type"]), string(&scheme["in"])) {
        ("http", _) if scheme["scheme"] == "basic" => "-u \"$ID:$SECRET\"".to_owned(),
        ("http", _) => "-H \"Authorization: Bearer $TOKEN\"".to_owned(),
        (_, "cookie") => format!("-b \"{name}=$TOKEN\""),
        _ => format!("-H \"{name}: $TOKEN\""),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document() -> Value {
        json!({"components": {"securitySchemes": {
            "bearer": {"type": "http", "scheme": "bearer"},
            "key": {"type": "apiKey", "in": "header", "name": "X-Key"},
            "service": {"type": "http", "scheme": "basic"},
            "cookie": {"type": "apiKey", "in": "cookie", "name": "session"},
        }}})
    }

    fn only(method: &str, path: &str, operation: Value) -> String {
        let calls = calls(method, path, &operation, &document());
        assert_eq!(calls.len(), 1);
        calls.into_iter().next().unwrap()
    }

    #[test]
    fn a_call_has_the_credential_that_the_endpoint_names_first() {
        assert_eq!(only("GET", "/a", json!({"security": []})), r#"curl "$SERVER/a""#);
        for (security, shown) in [
            (json!([{"bearer": []}, {"cookie": []}]), r#"-H "Authorization: Bearer $TOKEN""#),
            (json!([{}, {"key": []}]), r#"-H "X-Key: $TOKEN""#),
            (json!([{"cookie": []}]), r#"-b "session=$TOKEN""#),
        ] {
            assert_eq!(only("GET", "/a", json!({"security": security})), format!("curl \"$SERVER/a\" {shown}"));
        }
    }

    #[test]
    fn the_path_has_examples_in_it_and_the_query_what_is_needed() {
        let parameters = json!([
            {"name": "id", "in": "path", "schema": {"examples": [7]}},
            {"name": "flow", "in": "query", "required": true, "schema": {}, "example": "a-b"},
            {"name": "token", "in": "query", "required": true, "schema": {}},
            {"name": "limit", "in": "query", "example": 3},
        ]);
        let shown = only("DELETE", "/things/{id}", json!({"parameters": parameters}));
        assert_eq!(shown, r#"curl -X DELETE "$SERVER/things/7?flow=a-b&token=…""#);
    }

    #[test]
    fn a_body_stands_in_single_quotes() {
        let body = |examples: Value| json!({"requestBody": {"content": {"application/json": examples}}});
        let shown = only("POST", "/a", body(json!({"example": {"name": "Ada's"}})));
        let rest = "-H 'Content-Type: application/json' \\\n  -d '{\n    \"name\": \"Ada'\\''s\"\n  }'";
        assert_eq!(shown, format!("curl \"$SERVER/a\" \\\n  {rest}"));
        let form = json!({"content": {"application/x-www-form-urlencoded": {"example": {"token": "t"}}}});
        let asked = only("POST", "/a", json!({"requestBody": form, "security": [{"service": []}, {}]}));
        assert_eq!(asked, r#"curl -X POST "$SERVER/a" -u "$ID:$SECRET" -d 'token=t'"#);
        let two = body(json!({"examples": {"one": {"value": 1}, "two": {"value": 2}}}));
        let calls = calls("PUT", "/a", &two, &document());
        assert!(calls.len() == 2 && calls[1].starts_with("curl -X PUT") && calls[1].ends_with("-d '2'"), "{calls:?}");
    }
}
