package pages

import "time"

// samples are pages of a kind, with all that one may have and with the least.
func samples(l *Language, kind Kind) []*Page {
	switch kind {
	case SignedOut:
		return []*Page{sampleWith(l.Page(kind, "signed_out"), "signed_out", "/auth/login?return_to=%2F")}
	case ConfirmLogout:
		p := l.Page(kind, "confirm_logout")
		p.SetPost("/auth/logout", "link.sign_out")
		p.AddLink("/", "link.stay")
		return []*Page{p}
	case Chooser:
		return []*Page{sampleChoice(l, nil), sampleChoice(l, &Entry{}), sampleChoice(l, &Entry{Value: "ann@example.com", Error: l.Say("chooser.no_way")})}
	case Outage:
		without := sampleWith(l.Page(kind, "tenant_unavailable"), "tenant_unavailable")
		with := sampleWith(l.Page(kind, "tenant_unavailable"), "tenant_unavailable", "/reports?x=1")
		with.Await(5 * time.Second)
		return []*Page{without, with}
	case Loop:
		return []*Page{sampleWith(l.Page(kind, "login_loop"), "login_loop", "/reports")}
	case Form:
		return []*Page{sampleForm(l, ""), sampleForm(l, ResendScript)}
	case Refused:
		p := sampleWith(l.Page(kind, "forbidden"), "forbidden", "/auth/login")
		p.SetPost("/auth/logout", "link.sign_out")
		return []*Page{p, sampleWith(l.Page(kind, "login_denied"), "login_denied", "/auth/logout", "/reports")}
	}
	detailed := sampleWith(l.Page(kind, "login_failed"), "login_failed", "/reports", "/")
	detailed.Detail, detailed.NewTab = "invalid_request", true
	return []*Page{sampleWith(l.Page(kind, "internal_error"), "internal_error"), detailed}
}

func sampleWith(p *Page, code string, links ...string) *Page {
	p.Code = code
	for _, href := range links {
		p.AddLink(href, "link.try_again")
	}
	return p
}

func sampleChoice(l *Language, email *Entry) *Page {
	p := l.Page(Chooser, "chooser")
	p.Choose = &Choice{LastUsed: l.Say("chooser.last_used"), Email: email, Ways: []Way{
		{Link{"/auth/login?connection=partners", "Partners & friends"}, true}, {Link{"/auth/login?connection=acme", "acme"}, false},
	}}
	if email != nil {
		email.Form, email.Label = l.Link("/auth/login?return_to=%2F", "chooser.continue"), l.Say("chooser.email")
	}
	return p
}

func sampleForm(l *Language, script string) *Page {
	key := "ask_form"
	if script != "" {
		key = "send_form"
	}
	p := l.Page(Form, key, "{path}", "/save", "{fields}", l.Count("fields", 2))
	p.SetPost("/save?id=7", "link.send_form")
	p.Resend = NewResend([]Field{{"text", "one \"two\" <three>"}, {"text", ""}}, script != "")
	if script == "" {
		p.AddLink("/", "link.do_not_send")
	}
	return p
}
