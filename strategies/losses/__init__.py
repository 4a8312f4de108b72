"""Losses, margins and class weights."""
