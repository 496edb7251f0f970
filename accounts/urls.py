"""Routes of the accounts app."""

from django.urls import path

from accounts.views import account, people, signing

app_name = "accounts"
urlpatterns = [
    path("login/", signing.SignIn.as_view(), name="login"),
    path("logout/", signing.sign_out, name="logout"),
    path("setup/<str:token>/", signing.setup, name="setup"),
    path("account/", account.account, name="account"),
    path("people/", people.people, name="people"),
    path("people/<int:pk>/", people.person, name="person"),
    path("people/<int:pk>/role/", people.change_role, name="change-role"),
    path("people/<int:pk>/access/", people.change_access, name="change-access"),
]
