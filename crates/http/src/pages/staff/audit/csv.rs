//! `GET /staff/audit.csv`: the records that fit, to be opened elsewhere. They are sent as they are read.

use std::io;

use actix_web::HttpResponse;
use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use actix_web::web::Bytes;
use futures_util::stream;
use thunderhead_domain::audit::{AuditCursor, AuditFilter, AuditRecord};
use thunderhead_domain::authorization::StaffPrincipal;

use crate::access::call::Call;
use crate::pages::error::{PageError, PageResult};
use crate::pages::layout::see_other;
use crate::pages::staff::audit::query::AuditQuery;
use crate::pages::staff::audit::records::UserNames;

/// The most records of one file.
const MOST: usize = 100_000;
/// How many are read at once.
const CHUNK: u32 = 1_000;
const HEAD: &str = "number,at,kind,user,username,by,by_username,client_ip,session,detail,new_device\r\n";

/// A file that is being sent.
struct Download {
    call: Call,
    staff: StaffPrincipal,
    filter: AuditFilter,
    after: Option<AuditCursor>,
    left: usize,
    over: bool,
}

pub(in crate::pages::staff) async fn download(staff: StaffPrincipal, call: Call) -> PageResult {
    let query = AuditQuery::read(&call, &staff).await?;
    let Ok(filter) = query.filter else {
        // The page says what is wrong with it.
        return Ok(see_other(call.request(), &format!("/staff/audit?{}", query.text(None))));
    };
    let mut download = Download { call, staff, filter, after: None, left: MOST, over: false };
    // What fails at once is told as an error; later, the file ends in the middle of a transfer, which browsers tell.
    let first = Bytes::from(format!("{HEAD}{}", download.next().await?));
    let rest = stream::unfold((Some(first), download), |(first, mut download)| async move {
        if let Some(first) = first {
            return Some((Ok(first), (None, download)));
        }
        if download.over {
            return None;
        }
        let chunk = match download.next().await {
            Ok(text) => Ok(Bytes::from(text)),
            Err(_) => {
                download.over = true;
                Err(io::Error::other("the audit trail could not be read to its end"))
            }
        };
        Some((chunk, (None, download)))
    });
    let mut response = HttpResponse::Ok();
    response.insert_header((CONTENT_TYPE, "text/csv; charset=utf-8; header=present"));
    response.insert_header((CONTENT_DISPOSITION, "attachment; filename=\"audit.csv\""));
    Ok(response.streaming(rest))
}

impl Download {
    /// The next lines.
    async fn next(&mut self) -> Result<String, PageError> {
        let search = &self.call.auth().search;
        let limit = CHUNK.min(u32::try_from(self.left).unwrap_or(u32::MAX));
        let page = search.records(&self.staff, self.filter, self.after, limit).await?;
        let names = UserNames::of_records(&self.call, &self.staff, &page.items).await?;
        self.left = self.left.saturating_sub(page.items.len());
        self.after = page.next;
        self.over = page.next.is_none() || self.left == 0;
        Ok(page.items.iter().map(|record| line(record, &names)).collect())
    }
}

fn line(record: &AuditRecord, names: &UserNames) -> String {
    let name = |user| names.name(user).unwrap_or_default().to_owned();
    let cells = [
        record.number.to_string(),
        record.action.at.to_string(),
        record.kind.name().to_owned(),
        record.user.map(|user| user.to_string()).unwrap_or_default(),
        record.user.map(name).unwrap_or_default(),
        record.action.by.to_string(),
        record.action.by.user().map(name).unwrap_or_default(),
        record.action.client_ip.map(|address| address.to_string()).unwrap_or_default(),
        record.session.map(|session| session.to_string()).unwrap_or_default(),
        record.detail.clone().unwrap_or_default(),
        record.new_device.to_string(),
    ];
    format!("{}\r\n", cells.map(|text| cell(&text)).join(","))
}

/// A cell (RFC 4180 §2). Programs that show tables would run what begins like a formula: an apostrophe makes it a text.
fn cell(text: &str) -> String {
    let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    if text.contains([',', '"', '\r', '\n']) {
        format!("\"{guard}{}\"", text.replace('"', "\"\""))
    } else {
        format!("{guard}{text}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_text_whatever_it_holds() {
        for (text, expected) in [
            ("", ""),
            ("stolen laptop", "stolen laptop"),
            ("a,b", "\"a,b\""),
            ("say \"no\"", "\"say \"\"no\"\"\""),
            ("two\r\nlines", "\"two\r\nlines\""),
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\tx", "'\tx"),
            ("\rx", "\"'\rx\""),
            ("=cmd|' /C calc'!A0,x", "\"'=cmd|' /C calc'!A0,x\""),
            ("a=b", "a=b"),
        ] {
            assert_eq!(cell(text), expected, "{text:?}");
        }
    }
}
