"""Routes of the accounts app."""

from django.urls import path

from accounts.views import account, grants, joining, notices, others, passkeys, people, signing

app_name = "accounts"
urlpatterns = [
    path("login/", signing.SignIn.as_view(), name="login"),
    path("login/second/", signing.second_step, name="second-step"),
    path("login/passkey/", passkeys.sign_in, name="passkey-sign-in"),
    path("login/passkey/options/", passkeys.sign_in_options, name="passkey-sign-in-options"),
    path("logout/", signing.sign_out, name="logout"),
    path("setup/<str:token>/", signing.setup, name="setup"),
    path("join/<str:secret>/", joining.join, name="join"),
    path("account/", account.account, name="account"),
    path("account/rights/", people.my_rights, name="my-rights"),
    path("account/confirm/", account.confirm, name="confirm"),
    path("account/confirm/passkey/", passkeys.confirm, name="passkey-confirm"),
    path("account/confirm/passkey/options/", passkeys.confirm_options, name="passkey-confirm-options"),
    path("account/codes/", account.codes, name="codes"),
    path("account/codes/off/", account.codes_off, name="codes-off"),
    path("account/codes/recovery/", account.recovery_codes, name="recovery-codes"),
    path("account/passkeys/", passkeys.create, name="passkey-create"),
    path("account/passkeys/options/", passkeys.creation_options, name="passkey-options"),
    path("account/passkeys/<int:pk>/remove/", passkeys.remove, name="passkey-remove"),
    path("account/sessions/end-others/", account.end_other_sessions, name="end-other-sessions"),
    path("account/sessions/<str:session>/end/", account.end_session, name="end-session"),
    path("notices/", notices.unseen, name="notices"),
    path("notices/<int:pk>/seen", notices.see, name="see-notice"),
    path("people/", people.people, name="people"),
    path("people/new/", people.invite, name="invite"),
    path("people/groups/", grants.all_groups, name="groups"),
    path("people/groups/<int:pk>/", grants.group, name="group"),
    path("people/groups/<int:pk>/rights/", grants.give_group, name="give-group"),
    path("people/groups/<int:pk>/remove/", grants.remove_group, name="remove-group"),
    path("people/rights/<int:pk>/take/", grants.take, name="take-right"),
    path("people/<int:pk>/", people.person, name="person"),
    path("people/<int:pk>/rights/", grants.give_person, name="give-person"),
    path("people/<int:pk>/link/", people.make_link, name="make-link"),
    path("people/<int:pk>/remove/", people.remove, name="remove-person"),
    path("people/<int:pk>/sign-in/", others.signing, name="signing-of"),
    path("people/<int:pk>/sign-in/codes-off/", others.codes_off, name="codes-off-for"),
    path("people/<int:pk>/sign-in/passkeys/<int:key>/remove/", others.remove_passkey, name="remove-passkey-of"),
    path("people/<int:pk>/sign-in/sessions/end-all/", others.end_sessions, name="end-sessions-of"),
    path("people/<int:pk>/sign-in/sessions/<str:session>/end/", others.end_session, name="end-session-of"),
    path("people/<int:pk>/role/", people.change_role, name="change-role"),
    path("people/<int:pk>/access/", people.change_access, name="change-access"),
]
