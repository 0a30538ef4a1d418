//! What becomes of the bodies.

use std::fs;

use actix_web::http::header::{AUTHORIZATION, CONTENT_LENGTH};
use actix_web::rt::System;
use actix_web::test::{TestRequest, call_service, init_service, read_body_json};
use actix_web::{App, web};
use tempfile::TempDir;

use super::*;
use crate::upload::{Uploads, mount};

const LARGEST: u64 = 100_000;

/// What came of a request.
struct Outcome {
    status: u16,
    /// The body of a 201.
    body: Option<Value>,
    /// Names and contents of all files in the folder.
    files: Vec<(String, Vec<u8>)>,
}

type Request<'a> = &'a dyn Fn(&World) -> TestRequest;

fn send(request: TestRequest, folder: &TempDir, guard: Guard) -> Outcome {
    let uploads = web::Data::new(Uploads::new(guard, folder.path().to_owned(), LARGEST).unwrap());
    let (status, body) = System::new().block_on(async {
        let service = init_service(App::new().configure(mount(uploads))).await;
        let response = call_service(&service, request.to_request()).await;
        let status = response.status().as_u16();
        (status, if status == 201 { Some(read_body_json(response).await) } else { None })
    });
    let read = |entry: fs::DirEntry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap());
    let files = fs::read_dir(folder.path()).unwrap().map(|entry| read(entry.unwrap())).collect();
    Outcome { status, body, files }
}

fn upload(bytes: usize) -> TestRequest {
    TestRequest::put().uri("/files").set_payload(vec![b'x'; bytes])
}

#[test]
fn an_upload_becomes_a_file_that_is_named_after_its_user() {
    let (folder, (world, guard)) = (TempDir::new().unwrap(), World::new());
    let request = upload(100_000).insert_header((AUTHORIZATION, format!("Bearer {}", world.token())));
    let Outcome { status, body, files } = send(request, &folder, guard);
    assert_eq!((status, files.len()), (201, 1));
    let (name, bytes) = &files[0];
    assert!(*bytes == vec![b'x'; 100_000]);
    assert_eq!(body, Some(json!({"name": name, "bytes": 100_000})));
    assert_eq!(name.len(), USER.len() + 1 + 20, "{name}");
    assert!(name.starts_with(USER), "{name}");
}

#[test]
fn what_is_refused_leaves_nothing() {
    let token = |world: &World| (AUTHORIZATION, world.token());
    let cases: [(&str, u16, Request<'_>); 6] = [
        ("too large", 413, &|world| upload(100_001).insert_header(token(world))),
        ("said to be too large", 413, &|world| {
            upload(1).insert_header(token(world)).insert_header((CONTENT_LENGTH, "100001"))
        }),
        ("nobody", 401, &|_| upload(1)),
        ("two credentials", 401, &|world| upload(1).append_header(token(world)).append_header(token(world))),
        ("another scheme", 401, &|world| upload(1).insert_header((AUTHORIZATION, format!("Basic {}", world.token())))),
        ("a path of the client's", 404, &|world| upload(1).uri("/files/..%2fx").insert_header(token(world))),
    ];
    for (what, expected, request) in cases {
        let (folder, (world, guard)) = (TempDir::new().unwrap(), World::new());
        let Outcome { status, files, .. } = send(request(&world), &folder, guard);
        assert_eq!((status, files), (expected, vec![]), "{what}");
    }
}

#[test]
fn nobody_is_let_in_while_thunderhead_is_away() {
    let (folder, (world, guard)) = (TempDir::new().unwrap(), World::new());
    world.fake.say(Says::Nothing);
    let Outcome { status, files, .. } = send(upload(1).insert_header((AUTHORIZATION, world.token())), &folder, guard);
    assert_eq!((status, files), (503, vec![]));
}
