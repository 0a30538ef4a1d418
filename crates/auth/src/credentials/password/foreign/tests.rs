//! Hashes that the programs made whose formats are read here, and near misses.

use super::*;
use crate::credentials::password::{Password, is_right_if_readable};
use crate::work::hash_memory::HashMemory;

const PASSWORD: &str = "café ☕ 7 looms";
const LONG: &str =
    "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789";

/// What other programs made: by which, the hash, its password.
const MADE: [(&str, &str, &str); 28] = [
    ("bcrypt 5.0.0 for Python", "$2a$05$oG15a7SYCo3U6RiLpQYReelKm//pVhJZsTYy20TVkCoi46hq9EDOC", PASSWORD),
    ("bcrypt 5.0.0 for Python", "$2b$05$msfXAhYQCJLZBzpo8N.JEOnGptdw0ytO5zuXE7CrFfJZA7lO7x64u", PASSWORD),
    ("bcrypt 5.0.0 for Python", "$2y$05$4sOs6fFaCtKGr0nc/tE47eivR2wdnPym9EnFUsYT5OP7CeHPW5kPK", PASSWORD),
    ("bcrypt 5.0.0 for Python", "$2b$05$UKsi33uQkm4cNzSL4Ku2qeAs4t.kA3.ncGKdzthiGkfZre5vqRrr2", ""),
    ("bcrypt 5.0.0 for Python", "$2b$05$fyPGaAYpgB8OJiO/FlhLmOa6bMiJ4/Q6Dd5oKVDqKdZBu2oMDvWgS", "abc\0def"),
    ("bcrypt 6.0.0 for Node", "$2b$05$abcdefghijklmnopqrstuuH5Lh/.ef2dMG.7a9dPdG5vkmH0/KBh.", "abc\0def"),
    ("bcrypt 6.0.0 for Node", "$2b$05$abcdefghijklmnopqrstuuLkMZtUsVwf9Ptg/wgiNv8ZhtnAHnix.", LONG),
    ("bcrypt 6.0.0 for Node", "$2a$04$abcdefghijklmnopqrstuu1fpBNZpqz9Cnz03i9zBZOL0aejkXxiq", PASSWORD),
    (
        "passlib 1.7.4",
        "$pbkdf2-sha256$1000$SMlZK2XMmTPGuPd.T6lVSg$Zw1AZ94cbA1w6DlxK2M2VhCF3Z5OOgAbx8KYxhI1abc",
        PASSWORD,
    ),
    ("passlib 1.7.4", "$pbkdf2-sha256$29$i9HaW.s9p/T.HwNASKmV0g$xrcljpRbIP5wU5W/ZW4DNHzKYLvUvpVVKAmcGJB06kU", PASSWORD),
    (
        "passlib 1.7.4",
        "$pbkdf2-sha512$1000$rjXGWAvhvLc2BuCcM4ZQig$AsquMfF99ErHoPPDqtM5qp13FR2aQ3UqFjL6Zr8bvvJ2AwKnKVNk/U0jkvLHAb8Oa5LHQ\
         xLr4u.Tr1kPWnoPEA",
        PASSWORD,
    ),
    (
        "passlib 1.7.4",
        "$scrypt$ln=6,r=8,p=2$qNU6B8B4b00JAaD0njPGOA$ch/cf5Yn/rfR+eRFaOyZAkXZ8DlE4Bsqlp+3LvlAPGA",
        PASSWORD,
    ),
    ("Django 5.2.19", "pbkdf2_sha256$2000$sea Salt.1$T9fjMl+CiG/IKupjSx35zG5RAyHYgiMoab79Afi1Xdk=", PASSWORD),
    (
        "better-auth 1.7.25",
        "a0e60abae5345118c22f1e665fa3829f:d2630af921479578858e9e873a2c1a71f392ed4d43bbbe82ec17cf60d00d531b6072bf045855c2db\
         a55c1ea40b3a24381fe2fe3c1a1122f33f232e7f68a352f4",
        PASSWORD,
    ),
    (
        "better-auth 1.7.25",
        "e131e138616de7787f0f306370061833:5579542fa8d1683826272525ca77217c3c97f6ae6feac451d20dd25abc2b432b068386af39f2d12b\
         b138c024c14d8cb6c4fe5355301ed14e5cecb52f0906094c",
        "\u{fb01}ve A\u{30a} looms \u{2460}",
    ),
    (
        "argon2-cffi 25.1.0",
        "$argon2id$v=19$m=64,t=2,p=2$c2VhIHNhbHQsIGNvYXJzZQ$KvOJSea5CvKuxKcedXXTVPJUnrSNsmXxf+LFkDiKLqE",
        PASSWORD,
    ),
    (
        "argon2-cffi 25.1.0",
        "$argon2id$v=16$m=64,t=2,p=2$c2VhIHNhbHQsIGNvYXJzZQ$+qRSFffnelJITHwi4qOhBZhlN1V2HmC2etRwziI3GXs",
        PASSWORD,
    ),
    (
        "argon2-cffi 25.1.0",
        "$argon2i$v=19$m=64,t=2,p=2$c2VhIHNhbHQsIGNvYXJzZQ$HHgutvBFvTcWdXTJzz/Y11TsUjPOIUFva4KaRVDHnac",
        PASSWORD,
    ),
    // Without the field it is version 16.
    (
        "argon2-cffi 25.1.0",
        "$argon2i$m=64,t=2,p=2$c2VhIHNhbHQsIGNvYXJzZQ$TqOFQGtnoKQaxnkktNgDx5tCsek8qCtYn1bniORfAno",
        PASSWORD,
    ),
    (
        "Kratos 26.2.0",
        "$scrypt$ln=16384,r=8,p=1$XYK1iCTV2UHCfYnrsKlkOA==$cAJrZ1rtrh3wmgWWxSxNbPgnYJOIOgqd92EuHC7WM/0=",
        "cape canaveral numbers",
    ),
    (
        "Kratos 26.2.0",
        "$pbkdf2-sha256$i=100000,l=32$XYK1iCTV2UHCfYnrsKlkOA$VOKyDUI+DSToENzICVSxjx1qcxqkXqLTfOGX0l/lzIw",
        "inverse document frequency",
    ),
    (
        "Kratos 26.2.0",
        "$pbkdf2-sha512$i=50000,l=64$XYK1iCTV2UHCfYnrsKlkOA$5LV4FH33GFAnYgz4mXqr6euTlmELRm5cTc1FRFWx8VLtlevjdgRLZYX4aaS4p3DL\
         DWIlEgx2Fo14IFuxy2/zag",
        "a weekend per processor",
    ),
    ("Kratos 26.2.0", "$2y$11$K.82IvMSBPIlxvvjE0KbN.fT7bM7D4uzj0FViEWT2/GHDG/pq7uom", "from another program's table"),
    (
        "Django 5.2.19",
        "argon2$argon2id$v=19$m=64,t=2,p=2$c2VhIFNhbHQsIGNvYXJzZQ$of8Pu4FrV5LpHlk7RQ4NxghuLqeGIeYLCn5Nu6zZZrw",
        PASSWORD,
    ),
    ("Django 5.2.19", "bcrypt$$2b$05$0uYR9fzTwzQOkc8Z9kf6vujApDElUjgBfAhNbxhh6mFnmzTGiOVMi", PASSWORD),
    ("Django 5.2.19", "bcrypt_sha256$$2b$05$X6.r3qxtqIfiz9f/Evk5luI7vrId.jLIUv8SHiblswNgtAs92cNEO", PASSWORD),
    ("Django 5.2.19", "bcrypt_sha256$$2b$05$3IaJLt8pUH9RCPMnqUEDf.KZAmOWH1bpZ5q7Cuu4OvcJ4PvuyzP5.", LONG),
    (
        "Django 5.2.19",
        "scrypt$64$sea Salt.1$8$2$AmRVwhusXM0+oRKnS+WBvDLfjVrg93afnV/8gKxEXdZh7mAkiE7z3AhjUVlp9k32mbEm2o5iQiLW8sFKQOStQg==",
        PASSWORD,
    ),
];

fn refusal(text: &str) -> Option<RefusedHash> {
    ForeignHash::parse(text).err()
}

/// Whether a password is right for a hash, as it is stored.
fn is_of(hash: &str, password: &str) -> bool {
    let stored = ForeignHash::parse(hash).unwrap().into_stored();
    is_right_if_readable(&HashMemory::default(), &Password::new(password.to_owned()), &stored).unwrap().unwrap()
}

#[test]
fn hashes_that_other_programs_made_are_those_of_their_passwords() {
    for (program, hash, password) in MADE {
        assert!(is_of(hash, password), "{program}: {hash}");
        assert!(!is_of(hash, &format!("x{password}")), "{program}: {hash}");
    }
}

#[test]
fn a_password_is_taken_as_it_was_typed_but_for_the_cut_of_bcrypt() {
    let [long, zero] = [MADE[6].1, MADE[5].1];
    // The format looks at 72 bytes, as it did where the hash comes from.
    assert!(is_of(long, &LONG[..72]) && is_of(long, &format!("{}x", &LONG[..72])) && !is_of(long, &LONG[..71]));
    assert!(!is_of(zero, "abc") && !is_of(zero, "abc\0dex"));
    // Django looks at all of it.
    assert!(!is_of(MADE[26].1, &LONG[..72]) && !is_of(MADE[26].1, &format!("{}x", &LONG[..99])));
    for (hash, password) in [(MADE[0].1, PASSWORD), (MADE[8].1, PASSWORD), (MADE[12].1, PASSWORD)] {
        assert!(!is_of(hash, &format!("{password} ")) && !is_of(hash, &password.to_uppercase()));
    }
    assert!(is_of(MADE[14].1, "five \u{c5} looms 1"));
}

#[test]
fn an_argon2_hash_without_a_version_is_stored_with_the_one_that_it_has() {
    let stored = ForeignHash::parse(MADE[18].1).unwrap().into_stored();
    assert!(stored.expose().starts_with("$argon2i$v=16$m=64"));
}

#[test]
fn what_django_writes_before_the_hash_of_others_is_not_stored() {
    for (index, start) in [(23, "$argon2id$v=19$"), (24, "$2b$05$"), (25, "bcrypt_sha256$$2b$05$")] {
        let stored = ForeignHash::parse(MADE[index].1).unwrap().into_stored();
        assert!(stored.expose().starts_with(start), "{}", stored.expose());
    }
    for text in
        ["bcrypt$$2x$05$oG15a7SYCo3U6RiLpQYReelKm//pVhJZsTYy20TVkCoi46hq9EDOC", "bcrypt_sha256$$2x$05$oG15a7SYCo3U6"]
    {
        assert_eq!(refusal(text), Some(RefusedHash::Unknown), "{text}");
    }
}

#[test]
fn every_hash_is_known_by_its_format_and_no_text_of_it_is_printed() {
    for (_, hash, _) in MADE {
        let parsed = ForeignHash::parse(hash).unwrap();
        assert_eq!(format!("{parsed:?}"), format!("ForeignHash({})", parsed.format()));
    }
    let django = [23, 24, 25, 27].map(|index| ForeignHash::parse(MADE[index].1).unwrap().format().name());
    assert_eq!(django, ["argon2id", "bcrypt", "bcrypt", "scrypt"]);
    let formats = [0, 8, 12, 11, 13, 15, 17].map(|index| ForeignHash::parse(MADE[index].1).unwrap().format().name());
    assert_eq!(formats, ["bcrypt", "pbkdf2", "pbkdf2", "scrypt", "scrypt", "argon2id", "argon2i"]);
}

#[test]
fn what_would_cost_too_much_is_refused_and_what_just_fits_is_not() {
    let (bcrypt, scrypt, pbkdf2, django) = (MADE[0].1, MADE[11].1, MADE[16 + 4].1, MADE[12].1);
    let argon2 = MADE[15].1;
    for (fits, costly) in [
        (bcrypt.replace("$05$", "$15$"), bcrypt.replace("$05$", "$16$")),
        (bcrypt.replace("$05$", "$15$"), bcrypt.replace("$05$", "$31$")),
        (argon2.replace("m=64", "m=262144"), argon2.replace("m=64", "m=262145")),
        (argon2.replace("t=2", "t=10"), argon2.replace("t=2", "t=11")),
        (scrypt.replace("ln=6", "ln=17"), scrypt.replace("ln=6", "ln=18")),
        (scrypt.replace("ln=6", "ln=131072"), scrypt.replace("ln=6", "ln=262144")),
        (scrypt.replace("r=8", "r=16"), scrypt.replace("r=8", "r=17")),
        (scrypt.replace("p=2", "p=10"), scrypt.replace("p=2", "p=11")),
        (scrypt.replace("p=2", "p=10"), scrypt.replace("p=2", "p=99999999999999999999999")),
        (pbkdf2.replace("i=100000", "i=10000000"), pbkdf2.replace("i=100000", "i=10000001")),
        (django.replace("2000", "10000000"), django.replace("2000", "10000001")),
        (MADE[25].1.replace("$05$", "$15$"), MADE[25].1.replace("$05$", "$16$")),
        (MADE[27].1.replace("$64$", "$131072$"), MADE[27].1.replace("$64$", "$262144$")),
    ] {
        assert_eq!(refusal(&fits), None, "{fits}");
        assert!(matches!(refusal(&costly), Some(RefusedHash::TooCostly(_))), "{costly}");
    }
    let largest = OldHash::parse(&scrypt.replace("ln=6,r=8", "ln=17,r=16")).ok().unwrap();
    assert_eq!(largest.memory_kib(), MOST_MEMORY_KIB);
}

#[test]
fn weaker_formats_are_refused_by_name() {
    let hex = |digits: usize| "0123456789abcdef".repeat(8)[..digits].to_owned();
    for (text, name) in [
        (hex(32), "MD5"),
        (format!("{}:salt", hex(32)), "MD5"),
        ("md5$salt$0123456789abcdef0123456789abcdef".to_owned(), "MD5"),
        ("$md5$BswAr9mxAtc42IyIJl3Bdg==".to_owned(), "MD5"),
        ("$1$madeup$abcdefghijklmnopqrstu.".to_owned(), "MD5"),
        ("$P$Bmadeupabcdefghijklmnopqrstuv".to_owned(), "MD5"),
        (hex(40), "SHA-1"),
        ("{SSHA}bWFkZSB1cA==".to_owned(), "SHA-1"),
        ("{ssha}bWFkZSB1cA==".to_owned(), "SHA-1"),
        ("$pbkdf2$10$GyPkfM85hzBGqBXCGEOotQ$wEqL7GRxsMzy5/V2Lz9Bb98qviY".to_owned(), "SHA-1"),
        ("$pbkdf2-sha1$i=10,l=20$GyPkfM85hzBGqBXCGEOotQ$wEqL7GRxsMzy5/V2Lz9Bb98qviY".to_owned(), "SHA-1"),
        (hex(64), "salted SHA-2"),
        (hex(128), "salted SHA-2"),
        (format!("salt:{}", hex(64)), "salted SHA-2"),
        (format!("salt:{}", hex(128)), "salted SHA-2"),
        ("{SSHA512}4zRtTNBaOT05LwWZG0R5vEIODN1HL90W".to_owned(), "salted SHA-2"),
        ("$sha256$pf=e1NBTFR9e1BBU1NXT1JEfQ==$XYK1iCTV2UHCfYnrsKlkOA==$o7XVndSkQEv6".to_owned(), "salted SHA-2"),
        ("$5$madeup$abc".to_owned(), "sha256-crypt"),
        ("$6$madeup$abc".to_owned(), "sha512-crypt"),
        ("$sha512-crypt$rounds=5000$madeupsalt$8Pjly5y5x1PtIEaum9wr".to_owned(), "sha512-crypt"),
        ("correct horse battery staple".to_owned(), "a plain text"),
        ("pa$$word".to_owned(), "a plain text"),
    ] {
        let Some(RefusedHash::Weak(format)) = refusal(&text) else { panic!("{text}") };
        assert_eq!(format.name(), name, "{text}");
    }
    for text in
        ["", "$2x$05$oG15a7SYCo3U6RiLpQYReelKm//pVhJZsTYy20TVkCoi46hq9EDOC", "$argon2d$v=19$m=64,t=2,p=2$c2Vh$Kv"]
    {
        assert_eq!(refusal(text), Some(RefusedHash::Unknown), "{text}");
    }
    assert_eq!(refusal(&"x".repeat(LONGEST + 1)), Some(RefusedHash::Unknown));
}

#[test]
fn what_only_looks_like_a_hash_is_damaged_and_breaks_nothing() {
    for (_, hash, _) in MADE.into_iter().filter(|(program, ..)| !program.starts_with("better")) {
        for (index, _) in hash.char_indices() {
            // Whatever comes of it: an answer.
            drop(ForeignHash::parse(&hash[..index]));
            drop(ForeignHash::parse(&format!("{}é{}", &hash[..index], &hash[index + 1..])));
        }
        let (head, last) = hash.rsplit_once('$').unwrap();
        for damaged in [format!("{head}$"), format!("{head}${}", &last[..8]), format!("{hash}$"), format!("{hash}é")] {
            assert!(matches!(refusal(&damaged), Some(RefusedHash::Damaged(_))), "{damaged}");
        }
    }
    for (good, bad) in [("i=100000", "i=0"), ("i=100000", "i=+1"), ("i=100000", "i=1,i=2"), ("i=100000,l=32", "l=32")] {
        assert_eq!(refusal(&MADE[20].1.replace(good, bad)), Some(RefusedHash::Damaged(HashFormat::Pbkdf2)), "{bad}");
    }
    for (good, bad) in [("ln=16384", "ln=16385"), ("ln=16384", "ln=0"), ("r=8", "r=0"), ("r=8,", ""), ("p=1", "p=")] {
        assert_eq!(refusal(&MADE[19].1.replace(good, bad)), Some(RefusedHash::Damaged(HashFormat::Scrypt)), "{bad}");
    }
}
