//! The paths at the server's root that are ours, whatever the base path of the API is.

/// The first segments of these paths, those of pages and services to come among them.
const ROOTS: [&str; 17] = [
    // Every server has these.
    "health",
    "metrics",
    "docs",
    "openapi.json",
    ".well-known",
    // The Kratos dialect.
    "auth",
    // Other services.
    "introspect",
    "forward-auth",
    "revoke",
    "events",
    // Pages for people.
    "login",
    "logout",
    "register",
    "account",
    "link",
    "staff",
    "assets",
];

/// Whether a path is one of them, or below one.
pub fn is_taken(path: &str) -> bool {
    path.strip_prefix('/').and_then(|rest| rest.split('/').next()).is_some_and(|first| ROOTS.contains(&first))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::PAGES;

    #[test]
    fn what_is_mounted_at_the_root_is_taken_and_nothing_else() {
        let pages = PAGES.into_iter().filter(|page| *page != "/");
        assert!(pages.chain([crate::kratos::PREFIX]).all(is_taken));
        for root in ROOTS {
            assert!(is_taken(&format!("/{root}")) && is_taken(&format!("/{root}/v1")), "{root}");
            assert!(!is_taken(&format!("/{root}s-api")) && !is_taken(&format!("/v1/{root}")), "{root}");
        }
        for free in ["", "/", "/api", "/v1/api", "login"] {
            assert!(!is_taken(free), "{free}");
        }
    }
}
