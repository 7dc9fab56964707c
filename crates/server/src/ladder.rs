//! The SIP messages of a call as a ladder: time, arrow, what.
use passline_connectors::CallMessage;

/// Space between the two sides.
const WIDTH: usize = 52;

/// The ladder, line by line; no line for a call without messages.
pub fn draw(messages: &[CallMessage]) -> Vec<String> {
    let Some(first) = messages.first() else { return Vec::new() };
    let mut lines = vec![format!("{:>9}  {:<right$}Passline", "ms", first.peer, right = WIDTH + 4)];
    for message in messages {
        let (text, sent) = (gist(&message.line), message.sent);
        let rest = "─".repeat((WIDTH - 4).saturating_sub(text.chars().count()));
        let arrow =
            if sent { format!("◀{rest} {text} ──") } else { format!("── {text} {rest}▶") };
        // Answers repeat the number of their request; a line from elsewhere says from where.
        let mut remark = format!("CSeq {}", message.cseq);
        if message.peer != first.peer {
            let word = if sent { "to" } else { "from" };
            remark.push_str(&format!(", {word} {}", message.peer));
        }
        lines.push(format!("{:>9}  │{arrow}│  {remark}", message.ms));
    }
    lines
}

/// A first line without what every line has, no longer than an arrow.
fn gist(line: &str) -> String {
    let line = line.strip_prefix("SIP/2.0 ").or_else(|| line.strip_suffix(" SIP/2.0")).unwrap_or(line);
    let most = WIDTH - 6;
    if line.chars().count() <= most {
        return line.to_owned();
    }
    let mut short: String = line.chars().take(most - 1).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(ms: u64, sent: bool, line: &str, peer: &str) -> CallMessage {
        let (line, peer, cseq) = (line.to_owned(), peer.to_owned(), "1 INVITE".to_owned());
        CallMessage { ms, sent, line, cseq, peer }
    }

    #[test]
    fn arrows_are_aligned_and_point_the_right_way() {
        let long = format!("INVITE sip:{}@192.0.2.10 SIP/2.0", "5".repeat(80));
        let lines = draw(&[
            message(0, false, "INVITE sip:5000@192.0.2.10 SIP/2.0", "udp 192.0.2.20:5060"),
            message(12, true, "SIP/2.0 180 Ringing", "udp 192.0.2.20:5060"),
            message(120_013, true, &long, "udp 198.51.100.7:5060"),
        ]);
        assert_eq!(lines.len(), 4);
        assert!(
            lines[1].contains("── INVITE sip:5000@192.0.2.10 ─") && lines[1].contains("▶│"),
            "{}",
            lines[1]
        );
        assert!(lines[2].contains("│◀") && lines[2].contains("─ 180 Ringing ──│"), "{}", lines[2]);
        assert!(lines[3].ends_with("to udp 198.51.100.7:5060") && lines[3].contains('…'), "{}", lines[3]);
        let bar =
            |line: &String| line.chars().enumerate().filter(|(_, c)| *c == '│').map(|(i, _)| i).collect();
        let bars: Vec<Vec<usize>> = lines[1..].iter().map(bar).collect();
        assert!(bars.iter().all(|at| *at == bars[0] && at.len() == 2), "{bars:?}");
        assert!(draw(&[]).is_empty());
    }
}
