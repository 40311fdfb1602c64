/* codegen/page.h: page.css and page.js as text, made by the Makefile. */
#ifndef CODEGEN_PAGE_H
#define CODEGEN_PAGE_H

extern const char codegen_page_css[], codegen_page_js[];

#endif
