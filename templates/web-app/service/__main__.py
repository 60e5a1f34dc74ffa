from service import web
from service.pages import answer

if __name__ == "__main__":
    web.serve(answer)
