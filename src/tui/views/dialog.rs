//! A dialog in the middle of the screen.

use ratatui::{buffer::Buffer, layout::Rect};

use super::{Scene, centered, draw_box, footer::draw_field, review};
use crate::{
    model::ApprovalStatus,
    tui::{
        text,
        theme::Role,
        ui::dialog::{Dialog, Subject},
    },
};

const WIDTH: u16 = 96;

pub(super) fn draw(scene: &Scene<'_>, dialog: &Dialog, area: Rect, buffer: &mut Buffer) {
    let width = WIDTH.min(area.width);
    let lines = content(scene, dialog, width.saturating_sub(4));
    let field = u16::from(dialog.field.is_some());
    let wanted = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(field + 5);
    let outer = centered(area, width, wanted);
    let inside = draw_box(scene, &title(scene, dialog), outer, buffer);
    if inside.height == 0 {
        return;
    }
    let below = (field + 2).min(inside.height);
    let body = Rect { height: inside.height - below, ..inside };
    let hidden = review::draw(scene, &lines, dialog.scroll, body, buffer);
    if hidden > 0 {
        let row = body.height;
        scene
            .pen(buffer, inside, row)
            .write_right(&format!("{hidden} more below, j"), scene.style(Role::Muted));
    }
    if dialog.field.is_some() {
        draw_input(scene, dialog, inside, buffer);
    }
    draw_buttons(scene, dialog, inside, buffer);
}

fn title(scene: &Scene<'_>, dialog: &Dialog) -> String {
    let Subject::Gate { token, .. } = &dialog.subject else { return dialog.title.clone() };
    let at = scene.ui.board.open_gates().find(|at| at.gate.token == *token);
    at.map_or_else(
        || dialog.title.clone(),
        |at| {
            format!(
                "{} {} waiting {}, {} left",
                dialog.title,
                scene.look.glyphs.separator,
                scene.age(at.attempt.started_at),
                super::coarse(at.gate.expires_at.since(scene.now))
            )
        },
    )
}

fn content(scene: &Scene<'_>, dialog: &Dialog, width: u16) -> Vec<review::Line> {
    if let Subject::Gate { token, .. } = &dialog.subject {
        let at = scene.ui.board.open_gates().find(|at| at.gate.token == *token);
        let review = scene.ui.reviews.get(token).map(AsRef::as_ref);
        return at.map_or_else(Vec::new, |at| review::lines(scene, at, review));
    }
    let style = scene.style(Role::Text);
    let wrapped =
        dialog.lines.iter().flat_map(|line| text::wrap(line, width, 4, scene.look.glyphs.ellipsis));
    wrapped.map(|line| vec![(line, style)]).collect()
}

fn draw_input(scene: &Scene<'_>, dialog: &Dialog, inside: Rect, buffer: &mut Buffer) {
    let Some(field) = &dialog.field else { return };
    let row = inside.height.saturating_sub(2);
    let mut pen = scene.pen(buffer, inside, row);
    let role = if field.active { Role::Focus } else { Role::Muted };
    pen.write(&format!("{}: ", field.label), scene.style(role));
    if field.active {
        draw_field(scene, &field.input, &mut pen);
    } else if field.input.text().is_empty() {
        pen.write("Tab to type", scene.style(Role::Muted));
    } else {
        pen.write(field.input.text(), scene.style(Role::Strong));
    }
}

fn draw_buttons(scene: &Scene<'_>, dialog: &Dialog, inside: Rect, buffer: &mut Buffer) {
    let row = inside.height.saturating_sub(1);
    let mut pen = scene.pen(buffer, inside, row);
    let (key, word) = (scene.style(Role::Key), scene.style(Role::Text));
    if dialog.has_active_field() {
        pen.write("Tab", key).skip(1).write("done typing", word).skip(3);
        pen.write("Ctrl+U", key).skip(1).write("clear", word);
        return;
    }
    let ready = dialog.missing().is_none();
    let verb = if ready { word } else { scene.style(Role::Muted) };
    pen.write("y", key).skip(1).write(dialog.verb(), verb).skip(3);
    if matches!(dialog.subject, Subject::Gate { status: ApprovalStatus::Approved, .. }) {
        pen.write("x", key).skip(1).write("reject instead", word).skip(3);
    }
    if dialog.field.is_some() {
        pen.write("Tab", key).skip(1).write("type", word).skip(3);
    }
    pen.write("Esc", key).skip(1).write("cancel", word).skip(3);
    if let Some(missing) = dialog.missing() {
        pen.write(&missing, scene.style(Role::Waiting));
    }
}
