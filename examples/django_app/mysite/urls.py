"""The paths of the site and their views."""

from django.urls import path

from mysite import views

urlpatterns = [
    path("", views.index, name="index"),
    path("greet", views.greet, name="greet"),
    path("hello", views.hello, name="hello"),
    path("account", views.account, name="account"),
    path("visitor", views.visitor, name="visitor"),
    path("visitor.json", views.visitor_json, name="visitor_json"),
]
