//! The paths of this dialect, each with its successor in the current one.

use actix_web::http::Method;

pub(super) const SESSION: &str = "/user/session";
pub(super) const ONE_SESSION: &str = "/user/session/{sid}";
pub(super) const SESSIONS: &str = "/user/sessions";
pub(super) const ALL_SESSIONS: &str = "/user/sessions/all";
pub(super) const SESSIONS_OF_USER: &str = "/user/{uid}/sessions";
pub(super) const ALL_SESSIONS_OF_USER: &str = "/user/{uid}/sessions/all";
pub(super) const SESSION_OF_USER: &str = "/user/{uid}/session/{sid}";

/// What they begin with.
pub(super) const FIRST_SEGMENTS: [&str; 3] = ["user", "session", "sessions"];

const SUCCESSORS: [(&str, &str); 7] = [
    (SESSION, "/users/me/sessions/me"),
    (ONE_SESSION, "/users/me/sessions/{sid}"),
    (SESSIONS, "/users/me/sessions"),
    (ALL_SESSIONS, "/users/me/sessions/all"),
    (SESSIONS_OF_USER, "/users/{uid}/sessions"),
    (ALL_SESSIONS_OF_USER, "/users/{uid}/sessions/all"),
    (SESSION_OF_USER, "/users/{uid}/sessions/{sid}"),
];

/// The same path without `/user`, which some old programs leave out where it is about one's own sessions.
pub(super) fn short(path: &'static str) -> &'static str {
    path.strip_prefix("/user").unwrap_or(path)
}

/// Where the current dialect, below its base path, does what this path does. What there never was is succeeded by the
/// dialect as a whole. `None` where the path is not this dialect's.
pub(super) fn successor(method: &Method, path: &str) -> Option<String> {
    // Slashes at the end, and doubled ones, mean nothing.
    let mut parts = path.split('/').filter(|part| !part.is_empty());
    let first = parts.next().filter(|first| FIRST_SEGMENTS.contains(first))?;
    let parts: Vec<&str> = std::iter::once(first).chain(parts).collect();
    if *method == Method::POST && fits(SESSION, &parts) {
        return Some("/login".to_owned());
    }
    let Some((path, successor)) = SUCCESSORS.into_iter().find(|(path, _)| fits(path, &parts)) else {
        return Some("/".to_owned());
    };
    let value_of = |name: &str| segments(path).rev().zip(parts.iter().rev()).find(|(part, _)| *part == name);
    let mut filled = String::new();
    for segment in segments(successor) {
        let segment = match value_of(segment).filter(|_| is_parameter(segment)) {
            None => segment,
            Some((_, value)) if is_number(value) => value,
            // Only what can be an id goes into a header.
            Some(_) => break,
        };
        filled = filled + "/" + segment;
    }
    Some(filled)
}

/// Whether these are the parts of a path, or of the one without `/user`. A text that is no number is no user.
fn fits(path: &'static str, parts: &[&str]) -> bool {
    let is_one = |segment: &str, part: &str| match segment {
        "{uid}" => is_number(part),
        segment => is_parameter(segment) || segment == part,
    };
    [path, short(path)].into_iter().any(|path| {
        segments(path).count() == parts.len() && segments(path).zip(parts).all(|(segment, part)| is_one(segment, part))
    })
}

fn segments(path: &str) -> impl DoubleEndedIterator<Item = &str> {
    path.trim_start_matches('/').split('/')
}

fn is_parameter(segment: &str) -> bool {
    segment.starts_with('{')
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_has_its_successor() {
        for (method, path, successor_path) in [
            (Method::GET, "/user/session", "/users/me/sessions/me"),
            (Method::POST, "/user/session", "/login"),
            (Method::POST, "/session/", "/login"),
            (Method::DELETE, "/session", "/users/me/sessions/me"),
            (Method::GET, "/user/session/1700000000", "/users/me/sessions/1700000000"),
            (Method::DELETE, "/session/1700000000", "/users/me/sessions/1700000000"),
            (Method::GET, "/session/x>", "/users/me/sessions"),
            (Method::GET, "//user//sessions/", "/users/me/sessions"),
            (Method::DELETE, "/sessions/all", "/users/me/sessions/all"),
            (Method::GET, "/user/1700000000000/sessions", "/users/1700000000000/sessions"),
            (Method::GET, "/user/1700000000000/session/x", "/users/1700000000000/sessions"),
            (Method::DELETE, "/user/1700000000000/session/1700000000", "/users/1700000000000/sessions/1700000000"),
            (Method::DELETE, "/user/1700000000000/sessions/all", "/users/1700000000000/sessions/all"),
            (Method::GET, "/user/me/sessions", "/"),
            (Method::GET, "/user", "/"),
            (Method::GET, "/sessions/1700000000", "/"),
        ] {
            assert_eq!(successor(&method, path).as_deref(), Some(successor_path), "{method} {path}");
        }
    }

    #[test]
    fn other_paths_have_none() {
        for path in ["", "/", "/users/me/sessions", "/login", "/userx", "/sessionsx/all", "/x/user/session"] {
            assert_eq!(successor(&Method::GET, path), None, "{path}");
        }
    }

    #[test]
    fn the_paths_begin_with_these_segments() {
        for (path, _) in SUCCESSORS {
            for path in [path, short(path)] {
                let first = segments(path).next().unwrap();
                assert!(FIRST_SEGMENTS.contains(&first) || is_parameter(first), "{path}");
            }
        }
    }
}
