//! The steps of calls as log lines (level debug): what is said, which keys come, where the flow is. Secrets are masked
//! before they get here; numbers of callers stand in request lines, so of these only the method is kept.
use passline_engine::{Trace, TraceKind};
use tracing::debug;

/// Whether anybody wants them.
pub fn wanted() -> bool {
    tracing::enabled!(tracing::Level::DEBUG)
}

/// One step.
pub fn log(trace: Trace) {
    let call = trace.call.map(|call| call.0);
    let call = call.as_deref().unwrap_or("-");
    match trace.what {
        TraceKind::SipIn { first_line, cseq, .. } => debug!(call, cseq, received = gist(&first_line)),
        TraceKind::SipOut { first_line, cseq, .. } => debug!(call, cseq, sent = gist(&first_line)),
        TraceKind::Spoken { language, log } => debug!(call, language, says = log),
        TraceKind::Interrupted => debug!(call, "interrupted"),
        TraceKind::Digit { shown, method } => debug!(call, key = %shown, method = method.as_str()),
        TraceKind::Step(step) => debug!(call, step),
        TraceKind::Query(query) => debug!(call, query),
        TraceKind::Answer(answer) => debug!(call, answer),
    }
}

/// `INVITE` or `200 OK`.
fn gist(first_line: &str) -> &str {
    match first_line.strip_prefix("SIP/2.0 ") {
        Some(status) => status,
        None => first_line.split(' ').next().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::gist;

    #[test]
    fn first_lines_lose_their_numbers() {
        assert_eq!(gist("INVITE sip:+4930123456@192.0.2.1 SIP/2.0"), "INVITE");
        assert_eq!(gist("SIP/2.0 486 Busy Here"), "486 Busy Here");
    }
}
